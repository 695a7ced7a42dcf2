// Protects: a test run that ends or is killed leaves no process and no directory on the developer's machine.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { expect } from 'chai';
import { forEachTest } from '../fixture.ts';
import { Scratch } from '../scratch.ts';
import { until } from '../until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const WATCHED = join(import.meta.dirname, 'watched.mjs');

/** A test run: starts programs, each of which mentions the directory in another way, prints their ids, and waits. */
const RUN = `
import { spawn } from 'node:child_process';
const dir = process.env.TMPDIR;
const start = (file, options) =>
  spawn('tail', ['-F', file], { cwd: '/', detached: true, stdio: 'ignore', ...options }).pid;
const pids = [start('/dev/null'), start(dir + '/none', { env: {} }), start('/dev/null', { cwd: dir, env: {} })];
console.log(JSON.stringify({ dir, pids, pid: process.pid }));
`;

interface RunFacts {
  readonly dir: string;
  readonly pids: readonly number[];
  readonly pid: number;
}

describe('the cleanup process of a test run', () => {
  const scratch = forEachTest(() => new Scratch());
  const started: ChildProcessByStdio<null, Readable, null>[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  /** Starts a test run, and returns when it has printed what it started. */
  async function start(
    ...args: readonly string[]
  ): Promise<{ readonly child: (typeof started)[number]; run: RunFacts }> {
    // A separate run, not a lane of this one.
    const env = { ...process.env, TMPDIR: scratch.directory, BATCHCTL_TEST_RUN: undefined };
    const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(child);
    for await (const line of createInterface({ input: child.stdout }))
      if (line.startsWith('{')) return { child, run: JSON.parse(line) as RunFacts };
    throw new Error('the run ended without output');
  }

  const script = (ending: string): readonly string[] => {
    const path = scratch.path('run.mjs');
    writeFileSync(path, `${RUN}${ending}`);
    return ['--import', WATCHED, path];
  };

  /** Waits until the programs and the directory are gone. */
  async function waitForCleanup({ dir, pids }: RunFacts): Promise<void> {
    expect(dir.startsWith(`${scratch.directory}/`)).to.equal(true);
    await until('all have ended', () => !pids.some(isRunning));
    await until('the directory is gone', () => !existsSync(dir));
  }

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const)
    it(`cleans up when the run gets ${signal}`, async () => {
      const { child, run } = await start(...script('setInterval(() => undefined, 1_000);'));
      expect(run.pids.every(isRunning)).to.equal(true);
      child.kill(signal);
      await waitForCleanup(run);
    });

  it('cleans up when the run exits', async () => {
    const { child, run } = await start(...script('process.exit(3);'));
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).to.equal(3);
    await waitForCleanup(run);
  });

  it('refuses a directory that is not that of a test run', async () => {
    const args = [join(import.meta.dirname, 'cleanup.mjs'), scratch.path('no-run')];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    expect(await once(child, 'exit')).to.deep.equal([1, null]);
  });

  it("cleans up when mocha's outer process is killed, which also ends the tests", async () => {
    const path = scratch.path('endless.mjs');
    writeFileSync(path, `${RUN}it('waits', () => new Promise(() => setInterval(() => undefined, 1_000)));`);
    const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
    const { child, run } = await start(mocha, '--timeout', '0', path);
    expect(run.pid).not.to.equal(child.pid);
    child.kill('SIGKILL');
    await until('the tests end', () => !isRunning(run.pid));
    await waitForCleanup(run);
  });
});

/** Whether a process runs; a zombie doesn't. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return existsSync(`/proc/${pid}/exe`);
  } catch {
    return false;
  }
}
