import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { BatchctlError } from '../../errors.ts';

/** Not the variable that marks a worker's commands, which are found and killed by it. */
export const WORKER_ID = 'BATCHCTL_SUPERVISED_ID';
/** The variable that names the descriptor of the pipe from the supervisor. */
export const SUPERVISOR_FD = 'BATCHCTL_SUPERVISOR_FD';

/** The pipe's number among a worker's descriptors. */
export const PIPE_FD = 3;
const STOP = 's';

/**
 * In a worker: listens to the supervisor that started it. Calls `drain` when the supervisor says so *or dies* (even by
 * SIGKILL: the kernel closes its end), and `stop` when the worker should give its tasks back now; each at most once.
 * Returns a function that stops listening, or null if no supervisor started this process. Doesn't keep the process
 * alive. Throws `usage` when the environment names no descriptor.
 */
export function listenToSupervisor(
  env: Readonly<Record<string, string | undefined>>,
  on: { readonly drain: () => void; readonly stop: () => void },
): (() => void) | null {
  const text = env[SUPERVISOR_FD];
  if (text === undefined || text === '') return null;
  const fd = Number(text);
  if (!Number.isSafeInteger(fd) || fd < 3) {
    throw new BatchctlError('usage', `${SUPERVISOR_FD} names a descriptor of at least 3, not ${text}`);
  }
  const pipe = new Socket({ fd, readable: true, writable: false });
  let drained = false;
  const drain = () => {
    if (!drained) on.drain();
    drained = true;
  };
  let stopped = false;
  pipe.on('data', (bytes) => {
    if (!stopped && bytes.includes(STOP)) {
      stopped = true;
      on.stop();
    }
  });
  pipe.once('end', drain);
  pipe.once('error', drain);
  pipe.unref();
  return () => {
    drained = true;
    pipe.destroy();
  };
}

/** In a supervisor: tells the worker to finish its tasks and leave. Safe to repeat, and for a dead worker. */
export function sayDrain(child: ChildProcess): void {
  const pipe = pipeTo(child);
  if (pipe !== null && !pipe.writableEnded) pipe.end();
}

/** In a supervisor: tells the worker to give its tasks back and leave. False if only a signal can tell it. */
export function sayStop(child: ChildProcess): boolean {
  const pipe = pipeTo(child);
  if (pipe === null || pipe.writableEnded) return false;
  pipe.end(STOP);
  return true;
}

function pipeTo(child: ChildProcess): Socket | null {
  const pipe = child.stdio[PIPE_FD];
  return pipe instanceof Socket ? pipe : null;
}
