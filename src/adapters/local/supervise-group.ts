import { jitter, wait } from '../../lib/wait.ts';
import type { ProcessGroup } from './process-group.ts';
import { type Backoff, superviseWorkers } from './supervisor.ts';
import { type GroupLock, lockGroup } from './supervisor-lock.ts';
import type { WorkerCommand, WorkerEnd } from './supervisor-seat.ts';

export interface SuperviseGroupOptions {
  readonly root: string;
  readonly group: ProcessGroup;
  /** How a worker is started; `slots` is what the group says, null leaves it to the worker. */
  readonly spawnWorker: (worker: string, slots: number | null) => WorkerCommand;
  readonly onDeath: (end: WorkerEnd) => void | Promise<void>;
  readonly onTrouble?: (error: unknown) => void;
  /** Aborted, the workers are drained, and the supervisor leaves when they have left. */
  readonly signal: AbortSignal;
  readonly newId?: () => string;
  readonly backoff?: Backoff;
  /** How often the wanted size is read, milliseconds; 1,000 unless said. */
  readonly pollMs?: number;
}

/**
 * Meets the size that is wanted of a group, until it is 0 and no worker is left, or the signal aborts. There is one
 * such process a group: answers `held` at once when another is at it. Killed, its workers drain and nothing is lost.
 */
export async function superviseGroup(options: SuperviseGroupOptions): Promise<'done' | 'held'> {
  let met = false;
  for (;;) {
    const lock = await lockGroup(options.root, options.group.group, options.signal);
    if (lock === null) return met ? 'done' : 'held';
    await meetUntilZero(options, lock);
    met = true;
    // Whoever asks for workers writes the size first and looks for the lock then: a size written while this process
    // was about to leave is seen here, after the lock is free.
    if (options.signal.aborted || (await wanted(options)) === 0) return 'done';
  }
}

async function meetUntilZero(options: SuperviseGroupOptions, lock: GroupLock): Promise<void> {
  const { group, signal, onTrouble } = options;
  let slots: number | null = null;
  let leavers = 0;
  let look = new AbortController();
  const supervisor = superviseWorkers({
    group: group.group,
    size: 0,
    spawnWorker: (worker) => options.spawnWorker(worker, slots),
    onDeath: async (end) => {
      look.abort();
      await options.onDeath(end);
    },
    onLeave: () => {
      leavers += 1;
    },
    signal,
    ...(onTrouble === undefined ? {} : { onTrouble }),
    ...(options.newId === undefined ? {} : { newId: options.newId }),
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
  });
  try {
    while (!signal.aborted) {
      look = new AbortController();
      try {
        const left = leavers;
        const size = await group.size();
        // A worker that leaves by itself takes its own place with it, as far as the minimum allows (law 9).
        const desired = Math.min(size.desired, Math.max(size.min, size.desired - left));
        if (desired !== size.desired) await group.resize({ desired });
        leavers -= left;
        slots = size.slots;
        supervisor.resize(desired);
        if (desired === 0 && supervisor.workers.length === 0) break;
      } catch (error) {
        // A size that can't be read is no reason to end work: what is up stays up.
        onTrouble?.(error);
      }
      await wait(jitter(options.pollMs ?? 1_000), AbortSignal.any([signal, look.signal]));
    }
  } finally {
    supervisor.drain();
    // Before the last worker has left: told to leave, this process starts none any more, so that another one may.
    lock.release();
  }
  await supervisor.whenIdle();
}

/** What is wanted; 0 when it can't be read: whoever asks next starts another supervisor. */
async function wanted(options: SuperviseGroupOptions): Promise<number> {
  try {
    return (await options.group.size()).desired;
  } catch (error) {
    options.onTrouble?.(error);
    return 0;
  }
}
