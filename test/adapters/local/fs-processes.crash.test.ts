// Protects: processes that share a local store never overwrite each other, and a killed writer loses no stored object.

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { bundled } from '../../support/run/bundled.ts';

type Child = ChildProcessByStdio<Writable, Readable, null>;

const [RACER, CHURNER, WRITER] = ['fs-racer', 'fs-churn', 'fs-writer-loop'].map((name) =>
  bundled(join(import.meta.dirname, 'fixtures', `${name}.ts`)),
) as [string, string, string];

/** Runs a fixture, and makes sure that it is killed at the test's end. */
function start(children: Child[], fixture: string, ...args: string[]): Child {
  const child = spawn(process.execPath, [fixture, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

describe('the file store shared by processes', () => {
  let root: string;
  let children: Child[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'batchctl-fs-'));
    children = [];
  });
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(root, { recursive: true, force: true });
  });

  it('lets exactly one of eight processes create the object, for each of 200 keys', async () => {
    const keys = 200;
    const racers = Array.from({ length: 8 }, (_, i) => start(children, RACER, root, `racer-${i}`, String(keys)));
    const ready = racers.map((racer) => once(racer.stdout, 'data'));
    await Promise.all(ready);
    const answers = racers.map((racer) => text(racer.stdout));
    for (const racer of racers) racer.stdin.end('go\n');
    const created = (await Promise.all(answers)).map((answer): number[] => JSON.parse(answer));
    const all = created.flat().sort((a, b) => a - b);
    expect(all).to.deep.equal(Array.from({ length: keys }, (_, i) => i));
    const store = await createFsStore({ root, durability: 'process' });
    for (const [racer, numbers] of created.entries()) {
      for (const n of numbers) {
        const bytes = await store.read(`jobs/j-1/steps/s/out/${String(n).padStart(9, '0')}`);
        expect(Buffer.from(bytes ?? []).toString()).to.equal(`racer-${racer}`);
      }
    }
    expect(readdirSync(join(root, 'tmp'))).to.deep.equal([]);
  });

  it('publishes while other processes remove empty directories', async () => {
    const churners = ['one', 'two', 'three'].map((name) => start(children, CHURNER, root, name, '1000'));
    await Promise.all(churners.map((churner) => once(churner.stdout, 'data')));
    const answers = churners.map((churner) => text(churner.stdout));
    for (const churner of churners) churner.stdin.end('go\n');
    expect(await Promise.all(answers)).to.deep.equal(['1000\n', '1000\n', '1000\n']);
    expect(readdirSync(join(root, 'store'))).to.deep.equal([]);
  });

  it('contains only complete objects, and every acknowledged one, after writers were killed', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`      seed ${seed}`);
    const random = mulberry(seed);
    const acknowledged = new Set<string>();
    for (let round = 0; round < 6; round += 1) {
      const writers = [0, 1, 2].map((i) => start(children, WRITER, root, `${round}-${i}`));
      await Promise.all(writers.map((writer) => killAfter(writer, 1 + Math.floor(random() * 120), acknowledged)));
    }
    const store = await createFsStore({ root, durability: 'process' });
    const found = new Set<string>();
    for await (const entry of store.list('')) {
      const info = await store.head(entry.key);
      const expected = Buffer.alloc(Number(info?.metadata.size), Number(info?.metadata.fill));
      const bytes = await store.read(entry.key);
      expect(bytes !== null && expected.equals(bytes), `${entry.key} is whole (seed ${seed})`).to.equal(true);
      expect(entry.size).to.equal(expected.length);
      found.add(entry.key);
    }
    expect(acknowledged.size).to.be.greaterThan(18);
    for (const key of acknowledged) expect(found.has(key), `${key} (seed ${seed})`).to.equal(true);
  });
});

/** Kills a writer after it printed this many keys. Those are acknowledged. */
async function killAfter(writer: Child, count: number, acknowledged: Set<string>): Promise<void> {
  let told = '';
  writer.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    if (told.split('\n').length > count) writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  expect(writer.signalCode).to.equal('SIGKILL');
  for (const key of told.split('\n').slice(0, -1)) acknowledged.add(key);
}

/** A small seeded generator of numbers from 0 to 1. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
