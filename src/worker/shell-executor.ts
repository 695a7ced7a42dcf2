import { randomBytes } from 'node:crypto';
import { accessSync, appendFileSync, closeSync, constants, ftruncateSync, writeFileSync } from 'node:fs';
import { constants as system } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { BatchctlError } from '../errors.ts';
import { findProgram } from '../jobs/programs.ts';
import { openPlainFile } from '../lib/plain-file.ts';
import { readRange } from '../lib/read-file.ts';
import { ATTEMPT_VARIABLE, argvOf, commandScript, WORKER_VARIABLE } from './command-script.ts';
import { allowTraversal, type CommandUser, dropPrivilegesPrefix, ownerOf, type SlotOwner } from './command-user.ts';
import { CommandWatch, type EndedBy } from './command-watch.ts';
import type { Command, CommandEnd, Executor } from './executor.ts';
import { type ShellReport, SlotShell } from './slot-shell.ts';
import { endStrays, PidClock, StrayFifo } from './strays.ts';
import { Watchdog } from './watchdog.ts';

export interface ShellExecutorOptions {
  readonly slots: number;
  /** The worker's id: letters, digits, `-`, `_`, `.`; in the environment of its commands as `BATCHCTL_WORKER_ID`. */
  readonly worker: string;
  /** An existing directory for this worker only, for one small file per slot. */
  readonly directory: string;
  /** The POSIX shell that runs commands; default `/bin/sh`. */
  readonly shell?: string;
  /** The user of the commands; absent or null: the worker's own. Each slot then has a group of its own. */
  readonly user?: CommandUser | null;
}

const LOOK_MS = 250;
const LEAST_LOOK_MS = 20;

/**
 * An executor with a long-lived shell per slot. Starts nothing before the first command. On Linux, CPU and memory are
 * known for commands of at least a quarter of a second.
 */
export function createShellExecutor(options: ShellExecutorOptions): Executor {
  return new ShellExecutor(options);
}

class ShellExecutor implements Executor {
  readonly #options: ShellExecutorOptions;
  readonly #watchdog: Watchdog;
  readonly #shells: readonly SlotShell[];
  readonly #owners: readonly SlotOwner[];
  readonly #running = new Map<number, { readonly watch: CommandWatch; readonly done: Promise<CommandEnd> }>();
  readonly #pids = new PidClock();
  #fifos: readonly StrayFifo[] = [];
  #checkTimer: NodeJS.Timeout | undefined;
  #checkAt = 0;
  #closed = false;

  constructor(options: ShellExecutorOptions) {
    if (!/^[\w.-]+$/.test(options.worker)) {
      throw new BatchctlError(
        'unexpected',
        `Expected a worker's id of letters, digits, -, _ and ., found ${options.worker}.`,
      );
    }
    this.#options = options;
    const { user = null } = options;
    if (user !== null) allowTraversal(user, resolve(options.directory));
    const slots = Array.from({ length: options.slots }, (_, slot) => slot);
    this.#owners = user === null ? [] : slots.map((slot) => ownerOf(user, slot));
    const groups = this.#owners.map(({ gid }) => gid);
    this.#watchdog = new Watchdog(`${WORKER_VARIABLE}=${options.worker}`, groups);
    const mark = `@${randomBytes(6).toString('hex')}`;
    const { worker, shell: path = '/bin/sh' } = options;
    const shell = { path, worker, watchdog: this.#watchdog, mark, expendable: user !== null };
    this.#shells = slots.map(() => new SlotShell(shell));
  }

  owner(slot: number): SlotOwner | null {
    return this.#owners[slot] ?? null;
  }

  run(slot: number, command: Command, signal: AbortSignal): Promise<CommandEnd> {
    const shell = this.#shells[slot];
    if (this.#closed || shell === undefined || this.#running.has(slot)) {
      const state = this.#closed ? 'a closed executor' : shell === undefined ? 'no such slot' : 'a busy one';
      return Promise.reject(new BatchctlError('unexpected', `Expected a free slot ${slot}, found ${state}.`));
    }
    try {
      return this.#start(slot, shell, command, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const running = [...this.#running.values()];
    for (const { watch } of running) watch.end('aborted');
    await Promise.all(running.map(({ done }) => done));
    await Promise.all(this.#shells.map((shell) => shell.close()));
    clearTimeout(this.#checkTimer);
    await this.#watchdog.close();
    this.#pids.close();
    for (const fifo of this.#fifos) fifo.close();
    this.#fifos = [];
  }

  #start(slot: number, shell: SlotShell, command: Command, signal: AbortSignal): Promise<CommandEnd> {
    if (signal.aborted) return Promise.resolve(neverStarted('aborted'));
    const name = argvOf(command)[0] ?? '';
    const program = findProgram(name, command.env.PATH, command.cwd);
    if (program === null) {
      writeReason(command, `batchctl: Command not found: ${JSON.stringify(name)}\n`, true);
      return Promise.resolve(neverStarted('missing'));
    }
    const fifo = this.#fifo(slot);
    const { worker, user = null } = this.#options;
    const owner = this.owner(slot);
    const as = user === null || owner === null ? null : dropPrivilegesPrefix(user, owner);
    const script = commandScript(command, { program, worker, fifo: fifo.path, mark: shell.mark, as });
    const firstPid = this.#pids.now();
    const startedAt = performance.now();
    const report = shell.run(script);
    const watch = new CommandWatch(command, shell, signal);
    const done = this.#finish(slot, { command, program, shell, fifo, watch, report, startedAt, firstPid });
    this.#running.set(slot, { watch, done });
    this.#scheduleCheck(watch.maxCheckMs);
    return done;
  }

  async #finish(slot: number, run: CommandRun): Promise<CommandEnd> {
    const { command, watch, startedAt } = run;
    try {
      const report = await run.report;
      const seconds = (performance.now() - startedAt) / 1_000;
      if (report.broken !== null) {
        await watch.endStderr();
        throw noShell(report.broken);
      }
      const cpuSeconds = report.status === null ? null : (watch.usage?.cpuSeconds() ?? null);
      const peakMemory = watch.usage?.peakMemory() ?? null;
      watch.stop();
      const mark = { variable: `${ATTEMPT_VARIABLE}=${command.attempt}`, group: this.owner(slot)?.gid ?? null };
      const strays = await endStrays({ ...run, mark, pids: this.#pids, seconds });
      const { how, code, signal } = verdictOf(command, run.program, watch.endedBy, report);
      // Last: its strays are gone, and the shell's note about a signal is removed.
      const stderrBytes = await watch.endStderr();
      return { how, code, signal, seconds, cpuSeconds, peakMemory, strays, stderrBytes };
    } finally {
      watch.stop();
      this.#running.delete(slot);
    }
  }

  #fifo(slot: number): StrayFifo {
    if (this.#fifos.length === 0) {
      const directory = resolve(this.#options.directory);
      this.#fifos = StrayFifo.create(this.#shells.map((_, index) => join(directory, `slot-${index}.fifo`)));
    }
    const fifo = this.#fifos[slot];
    if (fifo === undefined) throw new BatchctlError('unexpected', `Expected a FIFO for slot ${slot}, found none.`);
    return fifo;
  }

  /** One timer for all running commands; none while nothing runs. */
  #scheduleCheck(period: number): void {
    const delay = Math.max(LEAST_LOOK_MS, Math.min(LOOK_MS, period));
    const at = performance.now() + delay;
    if (this.#checkTimer !== undefined && this.#checkAt <= at) return;
    clearTimeout(this.#checkTimer);
    this.#checkAt = at;
    this.#checkTimer = setTimeout(() => {
      this.#checkTimer = undefined;
      let next = LOOK_MS;
      for (const { watch } of this.#running.values()) {
        watch.check();
        next = Math.min(next, watch.maxCheckMs);
      }
      if (this.#running.size > 0) this.#scheduleCheck(next);
    }, delay);
    this.#checkTimer.unref();
  }
}

interface CommandRun {
  readonly command: Command;
  readonly program: string;
  readonly shell: SlotShell;
  readonly fifo: StrayFifo;
  readonly watch: CommandWatch;
  readonly report: Promise<ShellReport>;
  readonly startedAt: number;
  /** The newest process id when it started. */
  readonly firstPid: number | null;
}

function noShell(cause: unknown): BatchctlError {
  return new BatchctlError('unavailable', `Expected to start a shell for a slot, found ${String(cause)}.`, {
    hint: 'Look at the limits of processes and open files (ulimit -u, ulimit -n).',
    cause,
  });
}

type Verdict = Pick<CommandEnd, 'how' | 'code' | 'signal'>;

/**
 * A command's end, from its shell's report and the reason why it was ended, if it was. Removes the shell's note from
 * its stderr.
 */
function verdictOf(command: Command, program: string, endedBy: EndedBy | null, report: ShellReport): Verdict {
  const { status, complaint } = report;
  // The shell was killed together with its command.
  if (status === null) return { how: endedBy ?? 'signal', code: 137, signal: 'SIGKILL' };
  const signal = signalOfStatus(status);
  // A shell that vforks writes its note to the command's stderr; one that forks reports it itself.
  const noted = signal !== null && (takeSignalNote(command.stderr, signal) || complaint !== '');
  if (endedBy !== null) return { how: endedBy, code: status, signal: noted ? signal : null };
  if (noted) return { how: 'signal', code: status, signal };
  if (status !== 0 && status <= 128 && complaint !== '') {
    // A directory or a file of the command could not be opened: it was never started.
    writeReason(command, complaint, false);
    return { how: 'missing', code: null, signal: null };
  }
  if ((status === 126 || status === 127) && !isExecutable(program, command.cwd)) {
    return { how: 'missing', code: null, signal: null };
  }
  return { how: 'exit', code: status, signal: null };
}

function neverStarted(how: 'aborted' | 'missing'): CommandEnd {
  return { how, code: null, signal: null, seconds: 0, cpuSeconds: null, peakMemory: null, strays: 0 };
}

function isExecutable(program: string, cwd: string): boolean {
  try {
    accessSync(isAbsolute(program) ? program : join(cwd, program), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Writes to the command's stderr why it never started; `fresh` also empties both files, as a start would have. */
function writeReason(command: Command, text: string, fresh: boolean): void {
  try {
    if (fresh) writeFileSync(command.stdout, '', { mode: 0o600 });
    if (fresh) writeFileSync(command.stderr, text, { mode: 0o600 });
    else appendFileSync(command.stderr, text);
  } catch {
    // stderr can't be written: the outcome `missing` must suffice.
  }
}

/** A number's first name: SIGABRT, not its alias SIGIOT. */
const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(system.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

/** Shells' messages for a command ended by a signal (strsignal). macOS adds the number. */
const SIGNAL_TEXTS: Readonly<Record<string, string>> = {
  SIGHUP: 'Hangup',
  SIGQUIT: 'Quit',
  SIGILL: 'Illegal instruction',
  SIGTRAP: 'Trace/breakpoint trap',
  SIGABRT: 'Aborted',
  SIGBUS: 'Bus error',
  SIGFPE: 'Floating point exception',
  SIGKILL: 'Killed',
  SIGUSR1: 'User defined signal 1',
  SIGSEGV: 'Segmentation fault',
  SIGUSR2: 'User defined signal 2',
  SIGALRM: 'Alarm clock',
  SIGTERM: 'Terminated',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'File size limit exceeded',
  SIGSYS: 'Bad system call',
};
const LONGEST_NOTE = 80;

/** The signal that a status of 128 + n may mean; null for other statuses. */
function signalOfStatus(status: number): string | null {
  return status > 128 ? (SIGNAL_NAMES.get(status - 128) ?? null) : null;
}

/**
 * Whether the shell noted at the end of a stderr file that this signal ended the command; removes the note. A shell's
 * `$?` can't tell a signal from an exit with 128 + n, but a shell that vforks writes its note to the command's own
 * stderr. An inner shell that writes the note and exits with that status counts as signalled, rightly: the signal did
 * end the work. SIGINT and SIGPIPE are never noted, so they look like an exit.
 */
function takeSignalNote(path: string, signal: string): boolean {
  const text = SIGNAL_TEXTS[signal];
  if (text === undefined) return false;
  const file = openIfPossible(path);
  if (file === null) return false;
  const { fd } = file;
  const { size } = file.stats;
  try {
    const lines = readRange(fd, { offset: Math.max(0, size - LONGEST_NOTE), length: LONGEST_NOTE }).toString('latin1');
    if (!lines.endsWith('\n')) return false;
    const note = /(?:: \d+)?(?: \(core dumped\))?\n$/.exec(lines);
    const end = note === null ? -1 : note.index;
    if (end < text.length || lines.slice(end - text.length, end) !== text) return false;
    ftruncateSync(fd, size - (lines.length - end + text.length));
    return true;
  } finally {
    closeSync(fd);
  }
}

function openIfPossible(path: string): ReturnType<typeof openPlainFile> {
  try {
    return openPlainFile(path, constants.O_RDWR);
  } catch {
    return null;
  }
}
