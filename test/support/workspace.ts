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
import { FAULTS_VARIABLE, type WorkerFaults } from '../../src/model/worker-faults.ts';
import { openPlatform } from '../../src/platform/open-platform.ts';
import { startOwnWorkers } from '../../src/platform/own-workers.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { type FakeIo, fakeIo } from '../cli/fake-io.ts';
import { awsCheckVariables, needsProcess, withEnvironment } from './run/environment.ts';
import { killProcessesOf } from './run/processes.mjs';
import { until } from './until.ts';

/** The built program, or the build that `BATCHCTL_TEST_BIN` names. */
const BIN = process.env.BATCHCTL_TEST_BIN ?? fileURLToPath(new URL('../../bin/batchctl.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  printed(): string;
  readonly ended: Promise<Ended>;
}

/** Waits until a process ends; throws with its stderr if it fails. */
export async function waitForSuccess({ ended }: Running): Promise<void> {
  const { code, stderr } = await ended;
  if (code !== 0) throw new Error(`expected a process to succeed, found exit ${code}: ${stderr}`);
}

type Environment = Readonly<Record<string, string>>;

/** Commands that serve, or start processes that outlive them: always separate processes. */
const PROCESSES = ['manager', 'reproduce', 'scale', 'worker-supervisor'];
/** Commands that work as workers or start workers. */
const WORKING = ['rehearse', 'run', 'worker'];

/** Milliseconds that killed processes may take to end. */
const KILL_TIMEOUT = 20_000;

/** Seconds of a lease that is short enough to wait for its end. */
export const LEASE = 1.5;
/** Seconds of a lease that no test waits for. Workers start no thread for it, and seldom write to the ledger. */
const LONG_LEASE = 60;

/** A directory with a job file and a store, in which real batchctl commands run. */
export class Workspace {
  readonly dir: string;
  /** An id for a worker in this process. A worker kills leftover commands of another worker with its id. */
  readonly worker = `w-inside-${randomId(8)}`;
  /** Seconds. */
  readonly lease: number;
  readonly #platforms: Platform[] = [];
  readonly #running = new Set<ChildProcess>();
  readonly #here = new Map<FakeIo, Promise<number | null>>();
  readonly #ends: (() => Promise<unknown>)[] = [];
  /** Whether processes may be left: the search for them takes some milliseconds of CPU. */
  #mayLeaveProcesses = false;

  constructor(dir = mkdtempSync(join(tmpdir(), 'batchctl-e2e-')), lease = LEASE) {
    this.dir = dir;
    this.lease = lease;
  }

  /** A workspace for tests in which no lease expires. */
  static withLongLeases(): Workspace {
    return new Workspace(undefined, LONG_LEASE);
  }

  path(...names: readonly string[]): string {
    return join(this.dir, ...names);
  }

  write(name: string, content: unknown): void {
    writeFileSync(this.path(name), typeof content === 'string' ? content : JSON.stringify(content));
  }

  /** The lines of a file to which a job's commands append; none while there is no file. */
  lines(name: string): readonly string[] {
    const path = this.path(name);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  }

  /** Starts `batchctl ...args` with the local profile. `stdin`: text for a pipe; `bin`: another build. */
  start(args: readonly string[], env: Environment = {}, stdin: string | null = null, bin = BIN): Running {
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: this.dir,
      env: { PATH: process.env.PATH, ...awsCheckVariables(), ...this.#environment(args), ...env },
      stdio: [stdin === null ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
    child.stdin?.end(stdin);
    this.#running.add(child);
    this.#mayLeaveProcesses = true;
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
    return { child, pid: child.pid ?? 0, printed: () => stderr, ended };
  }

  /** Further variables of a command's environment. */
  protected environmentOf(_args: readonly string[]): Environment {
    return {};
  }

  /**
   * Whether workers run in this process, too. On AWS and through a manager they depend on environment variables that can't
   * be changed here.
   */
  protected worksHere(args: readonly string[]): boolean {
    return Object.keys(this.environmentOf(args)).length === 0;
  }

  #environment(args: readonly string[]): Environment {
    return {
      HOME: this.dir,
      BATCHCTL_PROFILE: 'local',
      BATCHCTL_TEST_LEASE_SECONDS: String(this.lease),
      ...this.environmentOf(args),
    };
  }

  /**
   * Runs `batchctl ...args` to its end: in this process, which is ten times as fast, unless it needs its own process. The
   * workers of `run` and `rehearse` run in this process, too.
   */
  async run(args: readonly string[], env: Environment = {}): Promise<Ended> {
    const [verb = '', second] = args;
    const isToken = verb === 'manager' && second === 'token';
    const isPlain = Object.keys(this.environmentOf(args)).length === 0;
    const needsOwn = needsProcess(env) || (WORKING.includes(verb) && !this.worksHere(args));
    // Locally, `scale` without a size, or with size 0, starts nothing.
    const isScale = verb === 'scale' && (!isPlain || second === '0' || second === '--json');
    const isProcess = needsOwn || (PROCESSES.includes(verb) && !isToken && !isScale);
    if (isProcess || process.env.BATCHCTL_TEST_BIN !== undefined) return this.start(args, env).ended;
    const own = { ...this.#environment(args), ...env };
    // The path is for workers that the command starts, and for the commands of workers in this process.
    const world = { cwd: this.dir, env: { PATH: process.env.PATH ?? '', ...awsCheckVariables(), ...own } };
    const io = Object.assign(fakeIo(world), { startWorkers: startInThisProcess });
    if (WORKING.includes(verb)) this.#mayLeaveProcesses = true;
    const running = withEnvironment(own, () => main(args, io));
    this.#here.set(io, running);
    const code = await running.finally(() => this.#here.delete(io));
    if (code === null) return this.start(args, env).ended;
    return { code, signal: null, stdout: io.stdout.text, stderr: io.stderr.text };
  }

  /** Runs a command to its end; throws with its stderr if it fails. */
  async runSuccessfully(...args: readonly string[]): Promise<Ended> {
    const ended = await this.run(args);
    if (ended.code !== 0) throw new Error(`batchctl ${args.join(' ')} exited with ${ended.code}: ${ended.stderr}`);
    return ended;
  }

  async token(name: string, scope: Scope): Promise<string> {
    const { stdout } = await this.runSuccessfully('manager', 'token', 'create', name, '--scope', scope, '--json');
    return (JSON.parse(stdout) as { readonly token: string }).token;
  }

  /** Submits the directory's `job.json`; returns the job's id. */
  async submit(...flags: readonly string[]): Promise<string> {
    const { stdout } = await this.runSuccessfully('submit', 'job.json', '--json', ...flags);
    return (JSON.parse(stdout) as { job: string }).job;
  }

  /** Runs a worker until there is nothing left to do; with two slots by default. */
  work(env: Environment = {}, ...flags: readonly string[]): Promise<Ended> {
    const slots = flags.includes('--slots') ? [] : ['--slots', '2'];
    return this.run(['worker', '--until-empty', ...slots, ...flags], env);
  }

  /** Opens the workspace's store, queue and ledger in this process. With a long lease, a busy machine can't lose it. */
  async platform(who = 'test@here', leaseSeconds = this.lease): Promise<Platform> {
    const config = await loadConfig({ env: {}, cwd: this.dir, home: '', etc: '' });
    const platform = await openPlatform(config, { role: 'cli', who, leaseSeconds });
    this.#platforms.push(platform);
    return platform;
  }

  /** Stops a process with SIGSTOP while it holds no lock of the ledger or the queue, for which others would wait. */
  async freeze({ child }: Running): Promise<void> {
    const databases = ['ledger.db', 'queue.db'].map((name) => this.path('.batchctl', name)).filter(existsSync);
    await until('it holds no lock', () => {
      child.kill('SIGSTOP');
      if (!databases.some(isLocked)) return true;
      child.kill('SIGCONT');
      return false;
    });
  }

  /** Registers a function to be called when the workspace is closed, even if the test fails. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Ends what is still running, and removes the directory. */
  async remove(): Promise<void> {
    await this.close();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /** Ends what is still running. */
  async close(): Promise<void> {
    const gone = [...this.#running].map((child) => new Promise((resolve) => child.on('close', resolve)));
    for (const child of this.#running) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    await Promise.all(gone);
    // A failed test leaves commands. The second interrupt makes a worker return its running tasks to the queue.
    for (const io of this.#here.keys()) for (const _ of ['first', 'second']) io.interrupt();
    await Promise.allSettled(this.#here.values());
    // Supervisors and their workers are detached from the process that started them.
    const mayLeave = this.#mayLeaveProcesses || this.#ends.length > 0;
    if (mayLeave && existsSync(this.path('.batchctl'))) await killProcessesOf(this.dir, KILL_TIMEOUT);
    await Promise.allSettled(this.#ends.map((end) => end()));
    for (const platform of this.#platforms.splice(0)) await platform.close();
  }
}

/** Runs a worker of `run` or `rehearse` as a command in this process, unless a kill point kills it. */
const startInThisProcess: typeof startOwnWorkers = async (config, platform, options) => {
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
