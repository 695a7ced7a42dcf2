import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { BatchctlError } from '../../errors.ts';

/**
 * The id that a supervisor gives its worker, in the worker's environment. Not the variable by which a worker's commands
 * are known (and ended): this one would make the worker one of them.
 */
export const WORKER_ID = 'BATCHCTL_SUPERVISED_ID';
/** The descriptor of the pipe from the supervisor, in the worker's environment. */
export const SUPERVISOR_FD = 'BATCHCTL_SUPERVISOR_FD';

/** Where the pipe is among a worker's descriptors. */
export const PIPE_FD = 3;
const STOP = 's';

/**
 * In a worker: listens to the supervisor that started it. `drain` when it says so *or is gone* (killed, too: the
 * kernel closes its end); `stop` when it wants the worker to give its tasks back now. Each at most once.
 * Answers what ends the listening; null when no supervisor started this process. Keeps no process alive.
 * Throws `usage` when the environment names no descriptor.
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

/** In a supervisor: tells the worker to finish what it runs and leave. Safe again, and when it is dead. */
export function sayDrain(child: ChildProcess): void {
  const pipe = pipeTo(child);
  if (pipe !== null && !pipe.writableEnded) pipe.end();
}

/** In a supervisor: tells the worker to give its tasks back and leave. False when only a signal can tell it. */
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
