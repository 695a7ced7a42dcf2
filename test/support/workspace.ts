import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { main } from '../../src/cli/main.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { hasCode } from '../../src/errors.ts';
import { randomId } from '../../src/lib/id.ts';
import { openSqlite } from '../../src/lib/sqlite.ts';
import type { Scope } from '../../src/model/api.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import { startOwnWorkers } from '../../src/platform/own-workers.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { FAULTS_VARIABLE, type WorkerFaults } from '../../src/ports/worker-faults.ts';
import { type FakeIo, fakeIo } from '../cli/fake-io.ts';
import { checked, needsProcess, withEnvironment } from './run/environment.ts';
import { killProcessesOf } from './run/processes.mjs';
import { until } from './until.ts';

/** The built program; another build of it is tested with `BATCHCTL_TEST_BIN`. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? fileURLToPath(new URL('../../bin/batchctl.js', import.meta.url));

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A batchctl that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has said on stderr so far. */
  said(): string;
  readonly ended: Promise<Ended>;
}

/** Waits for its end, and fails with what it said unless it ends well. */
export async function endsWell({ ended }: Running): Promise<void> {
  const { code, stderr } = await ended;
  if (code !== 0) throw new Error(`expected a process to end well, it exited with ${code}: ${stderr}`);
}

type Environment = Readonly<Record<string, string>>;

/** Commands that serve, or start what outlives them: always processes of their own. */
const PROCESSES = ['manager', 'reproduce', 'scale', 'worker-supervisor'];
/** Commands that work, or have workers of their own. */
const WORKING = ['rehearse', 'run', 'worker'];

/** Milliseconds that killed processes may take to end. */
const PATIENCE = 20_000;

/** A lease short enough for tests to wait for its end, seconds. */
export const LEASE = 1.5;
/** One that no test waits for, seconds. Workers do less besides the tasks: they start no thread, and tell the ledger seldom. */
const LONG_LEASE = 60;

/** A directory of its own, with a job file and a store, in which real batchctl processes run. */
export class Workspace {
  readonly dir: string;
  /** For a worker in this process: the commands of two workers of one id are taken for strays of each other. */
  readonly worker = `w-inside-${randomId(8)}`;
  /** Seconds. */
  readonly lease: number;
  readonly #platforms: Platform[] = [];
  readonly #running = new Set<ChildProcess>();
  /** Commands that run in this process. */
  readonly #here = new Map<FakeIo, Promise<number | null>>();
  readonly #ends: (() => Promise<unknown>)[] = [];
  /** Whether a process may have been started here: to look for those that are left takes some milliseconds of CPU. */
  #startedSome = false;

  constructor(dir = mkdtempSync(join(tmpdir(), 'batchctl-e2e-')), lease = LEASE) {
    this.dir = dir;
    this.lease = lease;
  }

  /** One for tests of which none is about the end of a lease. */
  static withLongLeases(): Workspace {
    return new Workspace(undefined, LONG_LEASE);
  }

  /** A path below it. */
  path(...names: readonly string[]): string {
    return join(this.dir, ...names);
  }

  write(name: string, content: unknown): void {
    writeFileSync(this.path(name), typeof content === 'string' ? content : JSON.stringify(content));
  }

  /** The lines that commands of the job appended to a file; none while it isn't there. */
  lines(name: string): readonly string[] {
    const path = this.path(name);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  }

  /** Starts `batchctl ...args` here, on the local profile; `stdin`: what comes through a pipe, `bin`: another build. */
  start(args: readonly string[], env: Environment = {}, stdin: string | null = null, bin = BIN): Running {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: this.dir,
      env: { PATH: process.env.PATH, ...checked(), ...this.#environment(args), ...env },
      stdio: [stdin === null ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
    child.stdin?.end(stdin);
    this.#running.add(child);
    this.#startedSome = true;
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#running.delete(child);
        resolve({ code, signal, stdout, stderr });
      });
    });
    return { child, pid: child.pid ?? 0, said: () => stderr, ended };
  }

  /** What a command's environment has besides. */
  protected environmentOf(_args: readonly string[]): Environment {
    return {};
  }

  /**
   * Whether workers run in this process, too. On AWS, and through a manager, more of their environment counts than can be
   * changed here.
   */
  protected worksHere(args: readonly string[]): boolean {
    return Object.keys(this.environmentOf(args)).length === 0;
  }

  #environment(args: readonly string[]): Environment {
    return {
      ...{ HOME: this.dir, BATCHCTL_PROFILE: 'local', BATCHCTL_TEST_LEASE_SECONDS: String(this.lease) },
      ...this.environmentOf(args),
    };
  }

  /**
   * Runs `batchctl ...args` to its end: in this process, which is ten times as fast, unless it needs one of its own. So do
   * the workers of `run` and `rehearse`.
   */
  async run(args: readonly string[], env: Environment = {}): Promise<Ended> {
    const [verb = '', second] = args;
    const isToken = verb === 'manager' && second === 'token';
    const isPlain = Object.keys(this.environmentOf(args)).length === 0;
    const isOwn = needsProcess(env) || (WORKING.includes(verb) && !this.worksHere(args));
    // There it starts nothing; nor does it with no size, or 0.
    const isScale = verb === 'scale' && (!isPlain || second === '0' || second === '--json');
    const isProcess = isOwn || (PROCESSES.includes(verb) && !isToken && !isScale);
    if (isProcess || process.env.BATCHCTL_TEST_BIN !== undefined) return this.start(args, env).ended;
    const own = { ...this.#environment(args), ...env };
    // The path is for the workers that it starts, and for commands of those that run here.
    const world = { cwd: this.dir, env: { PATH: process.env.PATH ?? '', ...checked(), ...own } };
    const io = Object.assign(fakeIo(world), { startWorkers: startHere });
    if (WORKING.includes(verb)) this.#startedSome = true;
    const running = withEnvironment(own, () => main(args, io));
    this.#here.set(io, running);
    const code = await running.finally(() => this.#here.delete(io));
    if (code === null) return this.start(args, env).ended;
    return { code, signal: null, stdout: io.stdout.text, stderr: io.stderr.text };
  }

  /** Runs to its end, and fails with what it said unless it ends well. */
  async well(...args: readonly string[]): Promise<Ended> {
    const ended = await this.run(args);
    if (ended.code !== 0) throw new Error(`batchctl ${args.join(' ')} exited with ${ended.code}: ${ended.stderr}`);
    return ended;
  }

  /** A new token of a manager here. */
  async token(name: string, scope: Scope): Promise<string> {
    const { stdout } = await this.well('manager', 'token', 'create', name, '--scope', scope, '--json');
    return (JSON.parse(stdout) as { readonly token: string }).token;
  }

  /** Submits `job.json` of this directory; answers the job's id. */
  async submit(...flags: readonly string[]): Promise<string> {
    const { stdout } = await this.well('submit', 'job.json', '--json', ...flags);
    return (JSON.parse(stdout) as { job: string }).job;
  }

  /** A worker that leaves once there is nothing left to do; with two slots unless flags say otherwise. */
  work(env: Environment = {}, ...flags: readonly string[]): Promise<Ended> {
    const slots = flags.includes('--slots') ? [] : ['--slots', '2'];
    return this.run(['worker', '--until-empty', ...slots, ...flags], env);
  }

  /** The same store, queue and ledger in this process. A lease of `leaseSeconds` is kept on a busy machine, too. */
  async platform(who = 'test@here', leaseSeconds = this.lease): Promise<Platform> {
    const config = await loadConfig({ env: {}, cwd: this.dir, home: '', etc: '' });
    const platform = await openPlatform(config, { role: 'cli', who, leaseSeconds });
    this.#platforms.push(platform);
    return platform;
  }

  /** Stops a process with SIGSTOP at a moment when it holds no lock of the ledger or the queue, as others wait for those. */
  async freeze({ child }: Running): Promise<void> {
    const databases = ['ledger.db', 'queue.db'].map((name) => this.path('.batchctl', name)).filter(existsSync);
    await until('it holds no lock', () => {
      child.kill('SIGSTOP');
      if (!databases.some(isLocked)) return true;
      child.kill('SIGCONT');
      return false;
    });
  }

  /** Has something done first when the workspace is removed, as after a test that failed half way. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Ends what still runs here, and removes the directory. */
  async remove(): Promise<void> {
    await this.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** Ends what still runs here. */
  async close(): Promise<void> {
    const gone = [...this.#running].map((child) => new Promise((resolve) => child.on('close', resolve)));
    for (const child of this.#running) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    await Promise.all(gone);
    // Left by a test that failed: the second tells a worker to give back what it runs.
    for (const io of this.#here.keys()) for (const _ of ['first', 'second']) io.interrupt();
    await Promise.allSettled(this.#here.values());
    // Supervisors and their workers are detached from whoever started them.
    const mayHaveLeft = this.#startedSome || this.#ends.length > 0;
    if (mayHaveLeft && existsSync(this.path('.batchctl'))) await killProcessesOf(this.dir, PATIENCE);
    await Promise.allSettled(this.#ends.map((end) => end()));
    for (const platform of this.#platforms.splice(0)) await platform.close();
  }
}

/** Runs a worker as a command in this process, for `run` or `rehearse`. One that is to be killed has a process of its own. */
const startHere: typeof startOwnWorkers = async (config, platform, options) => {
  const { groups, slots, cwd, onTrouble } = options;
  const env = options.env(0) as Environment;
  const { killAt = null }: Partial<WorkerFaults> = JSON.parse(env[FAULTS_VARIABLE] ?? '{}');
  if (killAt !== null) return startOwnWorkers(config, platform, options);
  const io = fakeIo({ cwd, env });
  const served = groups.flatMap((group) => ['--group', group]);
  const ended = main(['worker', ...served, ...(slots === null ? [] : ['--slots', String(slots)])], io).then((code) => {
    if (code !== 0) onTrouble(`the worker ended (exit ${code}): ${io.stderr.text}`);
  });
  const interrupt = (times: number) => () => {
    for (let n = 0; n < times; n += 1) io.interrupt();
    return ended;
  };
  return { drain: interrupt(1), stop: interrupt(2) };
};

/** Whether some process writes to a SQLite database at this moment. */
function isLocked(file: string): boolean {
  const database = openSqlite(file, { busyMs: 0 });
  try {
    database.exec('begin immediate; rollback');
    return false;
  } catch (error) {
    if (hasCode(error, 'SQLITE_BUSY')) return true;
    throw error;
  } finally {
    database.close();
  }
}
