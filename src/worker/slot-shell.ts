import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { WORKER_VARIABLE } from './command-script.ts';
import type { Watchdog } from './watchdog.ts';

/** The shell's report: the status of the command, and any error message of its own before it. */
export interface ShellReport {
  /** The exit status as seen by the shell: 128 + n also for signal n. Null if the shell itself was ended. */
  readonly status: number | null;
  readonly complaint: string;
  /** Why no shell could be started; null if one was. */
  readonly broken: unknown;
}

interface SlotShellOptions {
  readonly path: string;
  readonly worker: string;
  readonly watchdog: Watchdog;
  readonly mark: string;
  /** When memory is short, its commands are ended before this process. */
  readonly expendable: boolean;
}

type Shell = ChildProcessByStdio<Writable, null, Readable>;

/**
 * Reports and errors use the same pipe, so they are in order. A signal to the whole group must not end the shell, which
 * has to report; commands don't inherit a trap, unlike an ignored signal.
 */
const PROLOGUE = 'exec >&2; unset PWD OLDPWD SHLVL; trap : HUP INT QUIT TERM USR1 USR2 ALRM\n';
/** When memory is short, the kernel kills higher scores first (proc(5): oom_score_adj); children inherit the score. */
const EXPENDABLE = '{ echo 500 >/proc/$$/oom_score_adj; } 2>/dev/null\n';

/**
 * The long-lived shell of one slot. It leads a session and a process group, in which its commands run. Spawning from
 * Node costs more the more memory it has; a shell's vfork always costs the same. It starts when first needed, and again
 * after it was killed. When idle, it ends with this process.
 */
export class SlotShell {
  /** Prefix of a report line, unknown to commands, so that they can't forge one. */
  readonly mark: string;
  readonly #options: SlotShellOptions;
  #shell: Shell | null = null;
  #text = '';
  #report: ((report: ShellReport) => void) | null = null;
  #exited: Promise<void> = Promise.resolve();

  constructor(options: SlotShellOptions) {
    this.#options = options;
    this.mark = options.mark;
  }

  /** Process id of the shell and its group; null while there is none. */
  get group(): number | null {
    return this.#shell?.pid ?? null;
  }

  /** Runs a script that ends with a report, one at a time. Never rejects. */
  run(script: string): Promise<ShellReport> {
    return new Promise((resolve) => {
      this.#report = resolve;
      this.#text = '';
      this.#shell ??= this.#start();
      this.#shell.stdin.write(script);
    });
  }

  /** Signals the whole group, including the shell. KILL also ends the shell, and with it a pending report. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    const group = this.group;
    if (group === null || group <= 1) return;
    try {
      process.kill(-group, name);
    } catch {
      // ESRCH: it ended by itself; 'exit' reports that
    }
  }

  /** Kills the whole group and waits until its shell is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exited;
  }

  async close(): Promise<void> {
    this.#shell?.stdin.end();
    await this.#exited;
  }

  #start(): Shell {
    const { path, worker, watchdog, expendable } = this.#options;
    const shell = spawn(path, ['-s'], {
      detached: true,
      cwd: '/',
      env: { [WORKER_VARIABLE]: worker },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    const group = shell.pid;
    if (group !== undefined) watchdog.add(group);
    this.#exited = new Promise((resolve) => {
      const over = (broken: unknown) => {
        if (this.#shell !== shell) return;
        this.#shell = null;
        if (group !== undefined) watchdog.remove(group);
        resolve();
        this.#answer({ status: null, complaint: this.#text, broken });
      };
      shell.on('error', (error) => over(error));
      shell.on('exit', () => over(null));
    });
    shell.stdin.on('error', () => undefined); // EPIPE: 'exit' reports that
    shell.stderr.on('data', (chunk: Buffer) => this.#readReport(shell, chunk));
    shell.stdin.write(expendable ? PROLOGUE + EXPENDABLE : PROLOGUE);
    return shell;
  }

  #readReport(shell: Shell, chunk: Buffer): void {
    if (this.#shell !== shell) return;
    this.#text += chunk.toString();
    if (!this.#text.endsWith('\n')) return;
    const start = this.#text.lastIndexOf(this.mark);
    if (start < 0) return;
    const status = Number(this.#text.slice(start + this.mark.length));
    this.#answer({ status, complaint: this.#text.slice(0, start), broken: null });
  }

  #answer(report: ShellReport): void {
    const resolve = this.#report;
    this.#report = null;
    resolve?.(report);
  }
}
