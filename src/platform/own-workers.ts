import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StandbyWorker } from '../adapters/local/supervisor.ts';
import type { WorkerReport } from '../adapters/local/supervisor-pipe.ts';
import type { Config } from '../config/load-config.ts';
import { BatchctlError, isKind, kindOfExitCode, messageOf } from '../errors.ts';
import type { Environment } from '../lib/environment.ts';
import { readFileEnd } from '../lib/read-file.ts';
import type { Platform } from '../ports/platform.ts';
import { programArgv } from './program.ts';
import { temporaryRoot } from './scratch.ts';

/** Workers that end with this process: `run`'s own. */
export interface OwnWorkers {
  drain(): Promise<void>;
  stop(): Promise<void>;
}

export interface OwnWorkersOptions {
  readonly groups: readonly string[];
  readonly slots: number | null;
  readonly cwd: string;
  /** For the worker with this number, from 0. */
  readonly env: (start: number) => Environment;
  /** The first worker's process, if it was started before. */
  readonly held?: StandbyWorker | null;
  /** Called when a worker died; another is started after a while. */
  readonly onTrouble: (what: string) => void;
  /** Called once, when workers are not started again: they end one after another, for this reason, without a result. */
  readonly onGiveUp: (error: BatchctlError) => void;
}

/** Workers that end by themselves, in a row and without a result, before no other is started. */
const MAX_FRUITLESS_ENDS = 3;

/** How a worker ended by itself: by an error that it reported, or before it could start. */
interface FruitlessEnd extends WorkerReport {
  readonly started: boolean;
}

/** Decides when another worker would only end as the ones before. One that was killed or crashed at work doesn't count. */
export class FruitlessEnds {
  #inARow = 0;

  /** Counts an end. Returns the error to give up with, if it is time. */
  note(end: FruitlessEnd | null): BatchctlError | null {
    if (end === null) return null;
    this.#inARow = end.written > 0 ? 0 : this.#inARow + 1;
    if (this.#inARow < MAX_FRUITLESS_ENDS) return null;
    const { kind, message, hint, started } = end;
    const how = started ? 'ended without a result' : 'could not start';
    return new BatchctlError(kind, `${this.#inARow} workers in a row ${how}: ${message}`, {
      ...(hint !== null && { hint }),
    });
  }
}

function workerArgv(config: Config, groups: readonly string[], slots: number | null): readonly string[] {
  const served = groups.flatMap((group) => ['--group', group]);
  const here = config.profile.root === null ? ['--here'] : [];
  return programArgv(config, 'worker', ...served, ...here, ...(slots === null ? [] : ['--slots', String(slots)]));
}

export type { StandbyWorker } from '../adapters/local/supervisor.ts';

/**
 * Starts a worker's process before its groups are known, so that it loads the program while this process does. Null
 * unless the profile is local.
 */
export async function startStandbyWorker(
  config: Config,
  place: Pick<OwnWorkersOptions, 'cwd'> & { readonly env: Environment },
): Promise<StandbyWorker | null> {
  if (config.profile.root === null) return null;
  const { StandbyWorker } = await import('../adapters/local/supervisor.ts');
  return new StandbyWorker(programArgv(config, 'worker', '--held'), place);
}

/**
 * Returns the deliveries of a dead worker at once, if the queue knows their holders, and updates the ledger. Returns
 * whether the ledger knows it, which each worker's first heartbeat tells; null if the ledger doesn't answer.
 */
async function releaseDeadWorker(
  config: Config,
  platform: Platform,
  groups: readonly string[],
  worker: string,
): Promise<boolean | null> {
  if (config.profile.root !== null) {
    const { SqliteQueue } = await import('../adapters/local/sqlite-queue.ts');
    for (const group of groups) {
      const queue = await platform.queue(group);
      if (queue instanceof SqliteQueue) await queue.releaseHeldBy(worker);
    }
  }
  try {
    const ledger = await platform.ledger();
    const known = (await ledger.workers({})).find((seen) => seen.worker === worker);
    if (known === undefined) return false;
    if (known.state === 'gone') return true;
    await ledger.heartbeat({ ...known, state: 'gone', busy: [], seenAt: Math.max(platform.clock.now(), known.seenAt) });
  } catch (error) {
    // The worker then counts as gone two leases later.
    if (!isKind(error, 'unavailable')) throw error;
    return null;
  }
  return true;
}

/** Milliseconds that a stopped worker may take to return its running tasks. */
const STOP_MS = 15_000;

/** Starts one worker process with several slots (a single writer is fastest) and restarts it if it dies. */
export async function startOwnWorkers(
  config: Config,
  platform: Platform,
  options: OwnWorkersOptions,
): Promise<OwnWorkers> {
  const { Supervisor } = await import('../adapters/local/supervisor.ts');
  const { profile } = config;
  const directory = profile.root === null ? temporaryRoot() : join(profile.root, 'work');
  const log = join(directory, `run-${process.pid}.log`);
  const argv = workerArgv(config, options.groups, options.slots);
  let starts = 0;
  let keepsLog = false;
  const fruitless = new FruitlessEnds();
  const supervisor = new Supervisor({
    size: 1,
    spawnWorker: () => {
      const held = starts === 0 ? (options.held ?? undefined) : undefined;
      return { argv, cwd: options.cwd, env: options.env(starts++), log, held };
    },
    onDeath: async ({ worker, code, signal, error, report }) => {
      const noteEnd = (end: FruitlessEnd | null): void => {
        const reason = platform.workplace.sizesGroups ? null : fruitless.note(end);
        if (reason === null) return;
        supervisor.drain();
        options.onGiveUp(reason);
      };
      // At once, because the disk may be full: what follows writes.
      if (report !== null) noteEnd({ ...report, started: true });
      const started = await releaseDeadWorker(config, platform, options.groups, worker);
      if (code === 0) return;
      keepsLog = true;
      const why = report?.message ?? error?.message ?? readLastError(log);
      if (report === null && signal === null && started === false)
        noteEnd({
          kind: kindOfExitCode(code),
          message: why ?? `exit ${code}`,
          hint: `remove the cause (${log} has all of its messages)`,
          written: 0,
          started: false,
        });
      options.onTrouble(
        `worker ${worker} ended (${signal ?? (code === null ? 'it was not started' : `exit ${code}`)})${why === null ? '' : `: ${why}`}; its log: ${log}`,
      );
    },
    onTrouble: (error) => options.onTrouble(messageOf(error)),
  });
  return {
    drain: async () => {
      supervisor.drain();
      await supervisor.whenIdle();
      // If kept, the log is still there for inspection.
      if (!keepsLog) rmSync(log, { force: true });
    },
    stop: async () => {
      supervisor.stop(STOP_MS);
      await supervisor.whenIdle();
    },
  };
}

export interface GroupSupervision {
  readonly env: Environment;
  /** When aborted, the workers drain; the call returns once they have left. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * In the group's supervisor process: keeps as many workers running as the group's size says, until the size stays 0.
 * Returns `held` at once if another process already does so.
 */
export async function superviseLocalGroup(
  config: Config,
  platform: Platform,
  name: string,
  options: GroupSupervision,
): Promise<'done' | 'held'> {
  const [{ superviseLocal }, { ProcessGroup }] = await Promise.all([
    import('../adapters/local/supervise-local.ts'),
    import('../adapters/local/process-group.ts'),
  ]);
  const { profile } = config;
  const group = await platform.group(name);
  if (profile.root === null || !(group instanceof ProcessGroup))
    throw new BatchctlError('config', `profile ${profile.name} has no workers on this machine`);
  return superviseLocal({
    ...options,
    root: profile.root,
    group,
    store: platform.store,
    // Quiet, as their log is in the store. Any other output says why they could not start, or crashed.
    workerArgv: (slots) => [...workerArgv(config, [name], slots), '--quiet'],
    release: async (worker) => {
      await releaseDeadWorker(config, platform, [name], worker);
    },
  });
}

/** Bytes at the end of a log that are searched. */
const SEARCHED_BYTES = 8_192;

/** The last error in a worker's log: why it crashed. Null: there is none. */
function readLastError(log: string): string | null {
  try {
    return lastErrorIn(String(readFileEnd(log, SEARCHED_BYTES).bytes));
  } catch {
    return null;
  }
}

export function lastErrorIn(text: string): string | null {
  return [...text.matchAll(/^(?:\S+Z )?(?:\w*[Ee]rror): (.+)$/gm)].at(-1)?.[1] ?? null;
}
