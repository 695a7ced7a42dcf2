import type { Platform } from '../../src/ports/platform.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { runWorker } from '../../src/worker/worker.ts';
import type { Workspace } from './workspace.ts';

/** A worker in this process. */
export interface InsideWorker {
  /** Rejects as the worker does. */
  readonly done: Promise<void>;
  /** Lets it finish what it runs and leave. */
  drain(): Promise<void>;
  /** Lets it give back what it runs and leave. */
  stop(): Promise<void>;
}

/** Starts a worker in this process, on a platform that a test may have put faults into. */
export function startInside(
  workspace: Workspace,
  platform: Platform,
  options: { readonly slots: number; readonly untilEmpty: boolean; readonly graceMs?: number },
): InsideWorker {
  const [drain, stop] = [new AbortController(), new AbortController()];
  const done = runWorker(platform, {
    worker: platform.who,
    groups: ['default'],
    host: 'here',
    version: '0.0.0',
    total: { slots: options.slots, memory: 2 ** 32, disk: 2 ** 32 },
    untilEmpty: options.untilEmpty,
    idleExit: null,
    maxFailures: null,
    drain: drain.signal,
    stop: stop.signal,
    makeExecutor: createShellExecutor,
    say: () => undefined,
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
  });
  done.catch(() => undefined); // told to whoever awaits it
  workspace.atEnd(() => {
    stop.abort();
    return done;
  });
  return {
    done,
    drain: () => {
      drain.abort();
      return done;
    },
    stop: () => {
      stop.abort();
      return done;
    },
  };
}
