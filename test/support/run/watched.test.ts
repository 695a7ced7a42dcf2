// Protects: a test run that ends or is killed leaves no process and no directory on the developer's machine.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { until } from '../until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const WATCHED = join(import.meta.dirname, 'watched.mjs');

/** What a test run does: it starts programs that know the directory by one thing each, says who they are, and waits. */
const RUN = `
import { spawn } from 'node:child_process';
const dir = process.env.TMPDIR;
const start = (file, options) =>
  spawn('tail', ['-F', file], { cwd: '/', detached: true, stdio: 'ignore', ...options }).pid;
const pids = [start('/dev/null'), start(dir + '/none', { env: {} }), start('/dev/null', { cwd: dir, env: {} })];
console.log(JSON.stringify({ dir, pids, run: process.pid }));
`;

interface Left {
  readonly dir: string;
  readonly pids: readonly number[];
  readonly run: number;
}

describe('what a test run leaves', () => {
  let home: string;
  const started: ChildProcessByStdio<null, Readable, null>[] = [];
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'watched-'));
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  /** Starts it, and answers once it said what it started. */
  async function start(...args: readonly string[]): Promise<{ readonly child: (typeof started)[number]; left: Left }> {
    // A run of its own, not a lane of this one.
    const env = { ...process.env, TMPDIR: home, BATCHCTL_TEST_RUN: undefined };
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(child);
    for await (const line of createInterface({ input: child.stdout }))
      if (line.startsWith('{')) return { child, left: JSON.parse(line) as Left };
    throw new Error('it ended without a word');
  }

  const script = (ending: string): readonly string[] => {
    const path = join(home, 'run.mjs');
    writeFileSync(path, `${RUN}${ending}`);
    return ['--import', WATCHED, path];
  };

  /** Waits until neither programs nor directory are there. */
  async function gone({ dir, pids }: Left): Promise<void> {
    expect(dir.startsWith(`${home}/`)).to.equal(true);
    await until('all have ended', () => !pids.some(isRunning));
    await until('the directory is gone', () => !existsSync(dir));
  }

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const)
    it(`ends when the run gets ${signal}`, async () => {
      const { child, left } = await start(...script('setInterval(() => undefined, 1_000);'));
      expect(left.pids.every(isRunning)).to.equal(true);
      child.kill(signal);
      await gone(left);
    });

  it('ends when the run exits by itself', async () => {
    const { child, left } = await start(...script('process.exit(3);'));
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).to.equal(3);
    await gone(left);
  });

  it('is never looked for outside the directory of a run: a cleanup process given another directory refuses', async () => {
    const args = [join(import.meta.dirname, 'cleanup.mjs'), join(home, 'no-run')];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    expect(await once(child, 'exit')).to.deep.equal([1, null]);
  });

  it("ends when mocha's outer process is killed, and with it the tests", async () => {
    const path = join(home, 'endless.mjs');
    writeFileSync(path, `${RUN}it('waits', () => new Promise(() => setInterval(() => undefined, 1_000)));`);
    const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
    const { child, left } = await start(mocha, '--timeout', '0', path);
    expect(left.run).not.to.equal(child.pid);
    child.kill('SIGKILL');
    await until('the tests end', () => !isRunning(left.run));
    await gone(left);
  });
});

/** Not one that has ended and that nobody waited for. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return existsSync(`/proc/${pid}/exe`);
  } catch {
    return false;
  }
}
