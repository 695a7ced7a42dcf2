import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Environment } from '../../lib/environment.ts';
import { readFileEnd } from '../../lib/read-file.ts';
import { jitter, wait } from '../../lib/wait.ts';
import { bootLogKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type GroupLock, lockGroup } from './ensure-supervisor.ts';
import type { ProcessGroup } from './process-group.ts';
import { type Backoff, Supervisor, type WorkerCommand, type WorkerEnd } from './supervisor.ts';

interface SuperviseGroupOptions {
  readonly root: string;
  readonly group: ProcessGroup;
  /** How to start a worker; `slots` comes from the group, null leaves it to the worker. */
  readonly spawnWorker: (worker: string, slots: number | null) => WorkerCommand;
  readonly onDeath: (end: WorkerEnd) => void | Promise<void>;
  readonly onTrouble?: (error: unknown) => void;
  /** When it aborts, the workers are drained, and the supervisor leaves after them. */
  readonly signal: AbortSignal;
  readonly backoff?: Backoff;
  /** How often the wanted size is read, milliseconds; 1,000 by default. */
  readonly pollMs?: number;
}

/**
 * Keeps a group at its wanted size, until that is 0 and no worker is left, or the signal aborts. Each group has one
 * such process: returns `held` at once if another one runs. If it is killed, its workers drain and nothing is lost.
 */
export async function superviseGroup(options: SuperviseGroupOptions): Promise<'done' | 'held'> {
  let met = false;
  for (;;) {
    const lock = await lockGroup(options.root, options.group.group, options.signal);
    if (lock === null) return met ? 'done' : 'held';
    await superviseUntilEmpty(options, lock);
    met = true;
    // A caller that wants workers writes the size first and checks the lock then. So a size written while this process
    // was about to leave is seen here, after the lock is released.
    if (options.signal.aborted || (await readWantedSize(options)) === 0) return 'done';
  }
}

async function superviseUntilEmpty(options: SuperviseGroupOptions, lock: GroupLock): Promise<void> {
  const { group, signal, onTrouble } = options;
  let slots: number | null = null;
  let leavers = 0;
  let waiting = new AbortController();
  const supervisor = new Supervisor({
    size: 0,
    spawnWorker: (worker) => options.spawnWorker(worker, slots),
    onDeath: async (end) => {
      waiting.abort();
      await options.onDeath(end);
    },
    onLeave: () => {
      leavers += 1;
    },
    signal,
    ...(onTrouble === undefined ? {} : { onTrouble }),
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
  });
  try {
    while (!signal.aborted) {
      waiting = new AbortController();
      try {
        const left = leavers;
        const size = await group.size();
        // A worker that leaves by itself lowers the wanted size, but not below the minimum (law 9).
        const desired = Math.min(size.desired, Math.max(size.min, size.desired - left));
        if (desired !== size.desired) await group.resize({ desired });
        leavers -= left;
        slots = size.slots;
        supervisor.resize(desired);
        if (desired === 0 && supervisor.workers.length === 0) break;
      } catch (error) {
        // An unreadable size is no reason to end work: running workers stay up.
        onTrouble?.(error);
      }
      await wait(jitter(options.pollMs ?? 1_000), AbortSignal.any([signal, waiting.signal]));
    }
  } finally {
    supervisor.drain();
    // Release the lock before the last worker leaves: this process starts no further one, and another supervisor may begin.
    lock.release();
  }
  await supervisor.whenIdle();
}

/** The wanted size; 0 when it can't be read: the next caller that wants workers starts another supervisor. */
async function readWantedSize(options: SuperviseGroupOptions): Promise<number> {
  try {
    return (await options.group.size()).desired;
  } catch (error) {
    options.onTrouble?.(error);
    return 0;
  }
}

export interface SuperviseLocalOptions {
  readonly root: string;
  readonly group: ProcessGroup;
  readonly store: ObjectStore;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** The arguments of `node` that start a worker with this many slots; null: the worker decides. */
  readonly workerArgv: (slots: number | null) => readonly string[];
  readonly release: (worker: string) => Promise<void>;
  readonly say: (line: string) => void;
}

/** A boot log is cut to its last bytes, which say why the process ended. */
const BOOT_LOG_BYTES = 64 * 1024;
/** A temporary size of 0 is waited out in steps of this many milliseconds: a timer's limit is 24 days. */
const STEP_MS = 3_600_000;

/** Supervises a local group with real workers. Waits out a temporary size of 0 unless another one takes over. */
export async function superviseLocal(options: SuperviseLocalOptions): Promise<'done' | 'held'> {
  const { root, group, env, signal, say } = options;
  const trouble = (error: unknown): void => say(messageOf(error));
  for (;;) {
    const ended = await superviseGroup({
      root,
      group,
      signal,
      spawnWorker: (worker, slots) => ({ argv: options.workerArgv(slots), env, log: bootFile(root, worker) }),
      onDeath: async (end) => {
        // First the messages that others wait for, then the log that a person may look for.
        await options.release(end.worker);
        await keepBootLog(options, end);
      },
      onTrouble: trouble,
    });
    if (ended === 'held' || signal.aborted) return ended;
    const { until } = await group.size();
    if (until === null) return ended;
    await wait(Math.max(0, Math.min(until - Date.now(), STEP_MS)), signal);
  }
}

function bootFile(root: string, worker: string): string {
  return join(root, 'work', 'logs', `${worker}.log`);
}

/** Stores the worker's output outside its log, and how it ended if it crashed, for `workers logs`. */
async function keepBootLog({ root, store, say }: SuperviseLocalOptions, end: WorkerEnd): Promise<void> {
  const file = bootFile(root, end.worker);
  const said = String(readFileEnd(file, BOOT_LOG_BYTES).bytes);
  if (end.code !== 0) {
    const how = end.error?.message ?? (end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`);
    const line = `${new Date().toISOString()} worker ${end.worker} ended after ${end.seconds.toFixed(1)} s: ${how}`;
    say(line);
    await store.put(bootLogKey(end.worker), `${said}${line}\n`);
  } else if (said !== '') await store.put(bootLogKey(end.worker), said);
  rmSync(file, { force: true });
}
