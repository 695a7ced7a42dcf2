import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { BatchctlError, isKind } from '../errors.ts';
import { randomId } from '../lib/id.ts';
import type { Platform } from '../ports/platform.ts';
import { lastComplaint } from './last-complaint.ts';
import { programArgv } from './program-argv.ts';
import { temporaryRoot } from './scratch.ts';

/** A new worker's id: sorts by nothing, means nothing, is never used again. */
export function newWorkerId(): string {
  return `w-${randomId(10)}`;
}

/** Workers that live as long as this process: `run`'s own. */
export interface OwnWorkers {
  /** Finish what they run and leave. */
  drain(): Promise<void>;
  /** Give back what they run and leave. */
  stop(): Promise<void>;
}

export interface OwnWorkersOptions {
  readonly groups: readonly string[];
  readonly slots: number | null;
  readonly cwd: string;
  /** Of the worker that is started as the so-manieth, from 0. */
  readonly env: (start: number) => Readonly<Record<string, string | undefined>>;
  /** A worker died; another is started after a while. */
  readonly onTrouble: (what: string) => void;
}

function workerArgv(config: Config, groups: readonly string[], slots: number | null): readonly string[] {
  const served = groups.flatMap((group) => ['--group', group]);
  const here = config.profile.backend === 'local' ? [] : ['--here'];
  return programArgv(config, 'worker', ...served, ...here, ...(slots === null ? [] : ['--slots', String(slots)]));
}

/** Gives back at once what a worker held that has ended, where a queue knows its holders; and tells the ledger. */
async function releaseDead(
  config: Config,
  platform: Platform,
  groups: readonly string[],
  worker: string,
): Promise<void> {
  if (config.profile.backend === 'local') {
    const { SqliteQueue } = await import('../adapters/local/sqlite-queue.ts');
    for (const group of groups) {
      const queue = await platform.queue(group);
      if (queue instanceof SqliteQueue) await queue.releaseHeldBy(worker);
    }
  }
  try {
    const ledger = await platform.ledger();
    const known = (await ledger.workers({})).find((seen) => seen.worker === worker);
    if (known === undefined || known.state === 'gone') return;
    await ledger.heartbeat({ ...known, state: 'gone', busy: [], seenAt: Math.max(platform.clock.now(), known.seenAt) });
  } catch (error) {
    // Without it the worker is gone two leases later.
    if (!isKind(error, 'unavailable')) throw error;
  }
}

/** How long a stopped worker may take to give back what it runs, milliseconds. */
const STOP_MS = 15_000;

/** Starts one worker process with many slots (one writer is the quickest) and keeps it up. */
export async function startOwnWorkers(
  config: Config,
  platform: Platform,
  options: OwnWorkersOptions,
): Promise<OwnWorkers> {
  const { superviseWorkers } = await import('../adapters/local/supervisor.ts');
  const { profile } = config;
  if (profile.backend === 'manager')
    throw new BatchctlError('config', `profile ${profile.name} has no workers on this machine`);
  const directory = profile.backend === 'local' ? join(profile.root, 'work') : temporaryRoot();
  const log = join(directory, `run-${process.pid}.log`);
  const argv = workerArgv(config, options.groups, options.slots);
  let starts = 0;
  let keepsLog = false;
  const supervisor = superviseWorkers({
    group: options.groups.join(','),
    size: 1,
    newId: newWorkerId,
    spawnWorker: () => ({ argv, cwd: options.cwd, env: options.env(starts++), log }),
    onDeath: async ({ worker, code, signal }) => {
      await releaseDead(config, platform, options.groups, worker);
      if (code === 0) return;
      keepsLog = true;
      const why = await lastComplaint(log);
      options.onTrouble(
        `worker ${worker} ended (${signal ?? `exit ${code}`})${why === null ? '' : `: ${why}`}; its log: ${log}`,
      );
    },
    onTrouble: (error) => options.onTrouble(error instanceof Error ? error.message : String(error)),
  });
  return {
    drain: async () => {
      supervisor.drain();
      await supervisor.whenIdle();
      // Whoever was told to look into it still can.
      if (!keepsLog) rmSync(log, { force: true });
    },
    stop: async () => {
      supervisor.stop(STOP_MS);
      await supervisor.whenIdle();
    },
  };
}

export interface GroupSupervision {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted: the workers drain, and it ends when they have left. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/**
 * In the group's supervisor process: keeps as many workers up as the group's size says, until that is 0 for good.
 * Answers `held` at once when another process does.
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
  if (profile.backend !== 'local' || !(group instanceof ProcessGroup))
    throw new BatchctlError('config', `profile ${profile.name} has no workers on this machine`);
  return superviseLocal({
    ...options,
    root: profile.root,
    group,
    store: platform.store,
    newId: newWorkerId,
    // Quiet: their log is in the store; what else they say is why they could not start, or crashed.
    workerArgv: (slots) => [...workerArgv(config, [name], slots), '--quiet'],
    release: (worker) => releaseDead(config, platform, [name], worker),
  });
}
