// Protects: processes that share a local store never overwrite each other, and a killed writer loses no stored object.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { createFsStore } from '../../../src/adapters/local/fs-store.ts';
import { seededRandom } from '../../../src/model/forecast/section.ts';
import { forEachTest } from '../../support/fixture.ts';
import { readText } from '../../support/read-text.ts';
import { Scratch } from '../../support/scratch.ts';
import { type Child, ChildPrograms, fixtureProgram } from '../child-programs.ts';

const RACER = fixtureProgram(import.meta.dirname, 'fs-racer');
const CHURNER = fixtureProgram(import.meta.dirname, 'fs-churn');
const WRITER = fixtureProgram(import.meta.dirname, 'fs-writer-loop');

describe('the file store shared by processes', () => {
  const scratch = forEachTest(() => new Scratch());
  const programs = forEachTest(() => new ChildPrograms());

  const openStore = () => createFsStore({ root: scratch.directory, durability: 'process' });

  /** Runs the program with these names at the same moment. Returns what each prints after it began. */
  async function race(program: string, names: readonly string[], count: number): Promise<readonly string[]> {
    const argLists = names.map((name) => [scratch.directory, name, String(count)]);
    const children = await programs.startTogether(program, argLists);
    const outputs = children.map((child) => text(child.stdout));
    for (const child of children) child.stdin.end('go\n');
    return Promise.all(outputs);
  }

  it('lets exactly one of eight processes create the object, for each of 200 keys', async () => {
    const keys = 200;
    const names = Array.from({ length: 8 }, (_, i) => `racer-${i}`);
    const created = (await race(RACER, names, keys)).map((output): number[] => JSON.parse(output));
    const all = created.flat().sort((a, b) => a - b);
    expect(all).to.deep.equal(Array.from({ length: keys }, (_, i) => i));
    const store = await openStore();
    for (const [racer, numbers] of created.entries()) {
      for (const n of numbers) {
        const key = `jobs/j-1/steps/s/out/${String(n).padStart(9, '0')}`;
        expect(await readText(store, key)).to.equal(names[racer]);
      }
    }
    expect(readdirSync(scratch.path('tmp'))).to.deep.equal([]);
  });

  it('publishes while other processes remove empty directories', async () => {
    expect(await race(CHURNER, ['one', 'two', 'three'], 1_000)).to.deep.equal(Array(3).fill('1000\n'));
    expect(readdirSync(scratch.path('store'))).to.deep.equal([]);
  });

  it('contains only complete objects, and every acknowledged one, after writers were killed', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`      seed ${seed}`);
    const random = seededRandom(seed);
    const acknowledged = new Set<string>();
    for (let round = 0; round < 6; round += 1) {
      const writers = [0, 1, 2].map((i) => programs.start(WRITER, scratch.directory, `${round}-${i}`));
      await Promise.all(writers.map((writer) => killAfter(writer, 1 + Math.floor(random() * 120), acknowledged)));
    }
    const store = await openStore();
    const found = new Set<string>();
    for await (const entry of store.list('')) {
      const info = await store.head(entry.key);
      const expected = Buffer.alloc(Number(info?.metadata.size), Number(info?.metadata.fill));
      const bytes = await store.read(entry.key);
      expect(bytes !== null && expected.equals(bytes), `${entry.key} is complete (seed ${seed})`).to.equal(true);
      expect(entry.size).to.equal(expected.length);
      found.add(entry.key);
    }
    expect(acknowledged.size).to.be.greaterThan(18);
    for (const key of acknowledged) expect(found.has(key), `${key} (seed ${seed})`).to.equal(true);
  });
});

/** Kills a writer after it printed this many keys, whose writes are acknowledged. */
async function killAfter(writer: Child, count: number, acknowledged: Set<string>): Promise<void> {
  let printed = '';
  writer.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
    if (printed.split('\n').length > count) writer.kill('SIGKILL');
  });
  await once(writer, 'close');
  expect(writer.signalCode).to.equal('SIGKILL');
  for (const key of printed.split('\n').slice(0, -1)) acknowledged.add(key);
}
