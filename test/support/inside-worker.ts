import { VERSION } from '../../src/lib/version.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { createShellExecutor } from '../../src/worker/shell-executor.ts';
import { runWorker } from '../../src/worker/worker.ts';
import type { Workspace } from './workspace.ts';

export interface InProcessWorker {
  /** Rejects as the worker does. */
  readonly done: Promise<void>;
  /** Makes it finish its running tasks and leave. */
  drain(): Promise<void>;
  /** Makes it return its running tasks to the queue and leave. */
  stop(): Promise<void>;
}

type Options = Parameters<typeof runWorker>[1];

/**
 * Runs a worker of the group `default` in this process until it leaves; rejects as it does. Its id is the platform's name
 * for it.
 */
export function runWorkerInProcess(platform: Platform, slots: number, options: Partial<Options> = {}): Promise<void> {
  const never = new AbortController().signal;
  return runWorker(platform, {
    worker: platform.who,
    groups: ['default'],
    host: 'here',
    version: VERSION,
    makeExecutor: createShellExecutor,
    total: { slots, memory: 2 ** 32, disk: 2 ** 32 },
    untilEmpty: false,
    idleExit: null,
    maxFailures: null,
    drain: never,
    stop: never,
    say: () => undefined,
    ...options,
  });
}

/** Starts a worker in this process, on a platform in which a test may have injected faults. */
export function startWorkerInProcess(
  workspace: Workspace,
  platform: Platform,
  { slots, ...options }: Partial<Options> & Pick<Options, 'untilEmpty'> & { readonly slots: number },
): InProcessWorker {
  const [drain, stop] = [new AbortController(), new AbortController()];
  const done = runWorkerInProcess(platform, slots, { drain: drain.signal, stop: stop.signal, ...options });
  done.catch(() => undefined); // The test that awaits it gets the error.
  const end = (by: AbortController) => () => {
    by.abort();
    return done;
  };
  workspace.atEnd(end(stop));
  return { done, drain: end(drain), stop: end(stop) };
}
