import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import { bootLogKey } from '../../model/keys.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { ProcessGroup } from './process-group.ts';
import { superviseGroup } from './supervise-group.ts';
import type { WorkerEnd } from './supervisor-seat.ts';

export interface SuperviseLocalOptions {
  readonly root: string;
  readonly group: ProcessGroup;
  readonly store: ObjectStore;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly newId: () => string;
  /** What follows `node` to become a worker with so many slots; null: its own choice. */
  readonly workerArgv: (slots: number | null) => readonly string[];
  /** Gives back what a worker held that has ended. */
  readonly release: (worker: string) => Promise<void>;
  readonly say: (line: string) => void;
}

/** A boot log is cut to its last bytes: why a process ended stands at the end. */
const BOOT_LOG_BYTES = 64 * 1024;
/** A temporary size of 0 is waited out in steps of this, milliseconds: a timer's limit is 24 days. */
const STEP_MS = 3_600_000;

/** Supervises a local group with real workers; a temporary size of 0 is waited out, unless another takes over. */
export async function superviseLocal(options: SuperviseLocalOptions): Promise<'done' | 'held'> {
  const { root, group, env, signal, newId, say } = options;
  const trouble = (error: unknown): void => say(error instanceof Error ? error.message : String(error));
  for (;;) {
    const ended = await superviseGroup({
      root,
      group,
      signal,
      newId,
      spawnWorker: (worker, slots) => ({ argv: options.workerArgv(slots), env, log: bootFile(root, worker) }),
      onDeath: async (end) => {
        // First what others wait for; then what a person may look for.
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

/** Puts what a worker said outside its log, and how it ended if it didn't leave, where `workers logs` finds it. */
async function keepBootLog({ root, store, say }: SuperviseLocalOptions, end: WorkerEnd): Promise<void> {
  const file = bootFile(root, end.worker);
  const said = readTail(file);
  if (end.code !== 0) {
    const how = end.error?.message ?? (end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`);
    const line = `${new Date().toISOString()} worker ${end.worker} ended after ${end.seconds.toFixed(1)} s: ${how}`;
    say(line);
    await store.put(bootLogKey(end.worker), `${said}${line}\n`);
  } else if (said !== '') await store.put(bootLogKey(end.worker), said);
  rmSync(file, { force: true });
}

function readTail(file: string): string {
  try {
    return readFileSync(file).subarray(-BOOT_LOG_BYTES).toString('utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}
