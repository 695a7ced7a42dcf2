import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { BatchctlError, type ErrorKind } from '../../errors.ts';
import type { Environment } from '../../lib/environment.ts';
import { readFully } from '../../lib/read-file.ts';

/**
 * The variable in which a worker gets its id from the supervisor. It differs from the variable that marks a worker's
 * commands, which are found and killed by it.
 */
export const WORKER_ID = 'BATCHCTL_SUPERVISED_ID';
export const SUPERVISOR_FD = 'BATCHCTL_SUPERVISOR_FD';

export const PIPE_FD = 3;
const STOP = 's';

/** Why a worker ends by itself. Sent through the pipe, because its log may be on the disk that is full. */
export interface WorkerReport {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint: string | null;
  /** Results that it wrote: outputs and failures. */
  readonly written: number;
}

/** In a worker: its end of the pipe. */
export interface SupervisorLink {
  /** Resolves once the report is sent; also when the supervisor has gone. */
  report(report: WorkerReport): Promise<void>;
  close(): void;
}

/**
 * In a worker: listens to the supervisor that started it. Calls `drain` when the supervisor says so *or dies* (even by
 * SIGKILL: the kernel closes its end), and `stop` when the worker should give its tasks back now; each at most once.
 * Returns null if no supervisor started this process. Doesn't keep the process alive. Throws `usage` when the
 * environment names no descriptor.
 */
export function listenToSupervisor(
  env: Environment,
  handlers: { readonly drain: () => void; readonly stop: () => void },
): SupervisorLink | null {
  const fd = descriptorIn(env);
  if (fd === null) return null;
  const pipe = new Socket({ fd, readable: true, writable: true });
  let drained = false;
  const drain = () => {
    if (!drained) handlers.drain();
    drained = true;
  };
  let stopped = false;
  pipe.on('data', (bytes) => {
    if (!stopped && bytes.includes(STOP)) {
      stopped = true;
      handlers.stop();
    }
  });
  pipe.once('end', drain);
  pipe.on('error', drain);
  pipe.unref();
  return {
    report: (report) =>
      new Promise((resolve) => {
        // After close() this fails; it never writes to another file that has the same descriptor number by then.
        pipe.write(JSON.stringify(report), () => resolve());
      }),
    close: () => {
      drained = true;
      pipe.destroy();
    },
  };
}

/** In a supervisor: collects what a worker sends. Returns a function that reads its report, null if there is none. */
export function collectReport(child: ChildProcess): () => WorkerReport | null {
  const received: Buffer[] = [];
  child.stdio[PIPE_FD]?.on('data', (bytes: Buffer) => received.push(bytes));
  return () => {
    try {
      return JSON.parse(String(Buffer.concat(received)));
    } catch {
      return null; // It sent none, or died meanwhile.
    }
  };
}

function descriptorIn(env: Environment): number | null {
  const text = env[SUPERVISOR_FD];
  if (text === undefined || text === '') return null;
  const fd = Number(text);
  if (Number.isSafeInteger(fd) && fd >= 3) return fd;
  throw new BatchctlError('usage', `${SUPERVISOR_FD} names a descriptor of at least 3, not ${text}`);
}

/** The message that lets a held worker start. */
export interface StartMessage {
  /** The command line, without the program. */
  readonly argv: readonly string[];
  readonly worker: string;
  /** An existing file for its stdout and stderr. */
  readonly log: string | null;
}

/** A message's length in bytes, in decimal digits, comes before it. */
const DIGITS = 8;

/** In a supervisor: lets a held worker start. */
export function sendStart(child: ChildProcess, go: StartMessage): void {
  const text = Buffer.from(JSON.stringify(go));
  pipeTo(child)?.write(Buffer.concat([Buffer.from(String(text.length).padStart(DIGITS)), text]));
}

/**
 * In a held worker: blocks until the supervisor lets it start, and directs stdout and stderr, which were /dev/null, to
 * the log. Null if the supervisor has gone.
 */
export function awaitStart(env: Environment): StartMessage | null {
  const fd = descriptorIn(env);
  const head = fd === null ? null : readExactly(fd, DIGITS);
  const text = fd === null || head === null ? null : readExactly(fd, Number(head));
  if (text === null) return null;
  const go: StartMessage = JSON.parse(text);
  for (const output of go.log === null ? [] : [1, 2]) {
    closeSync(output);
    // A file gets the lowest free descriptor.
    const opened = openSync(go.log ?? '', 'a');
    if (opened !== output) throw new BatchctlError('unexpected', `expected descriptor ${output}, found ${opened}`);
  }
  return go;
}

function readExactly(fd: number, length: number): string | null {
  const bytes = Buffer.alloc(length);
  return readFully(fd, bytes, null) < length ? null : bytes.toString();
}

/** In a supervisor: tells the worker to finish its tasks and leave. Safe to repeat, and for a dead worker. */
export function sendDrain(child: ChildProcess): void {
  const pipe = pipeTo(child);
  if (pipe !== null && !pipe.writableEnded) pipe.end();
}

/** In a supervisor: tells the worker to give its tasks back and leave. False if its pipe is closed: only a signal can tell it. */
export function sendStop(child: ChildProcess): boolean {
  const pipe = pipeTo(child);
  if (pipe === null || pipe.writableEnded) return false;
  pipe.end(STOP);
  return true;
}

function pipeTo(child: ChildProcess): Socket | null {
  const pipe = child.stdio[PIPE_FD];
  return pipe instanceof Socket ? pipe : null;
}
