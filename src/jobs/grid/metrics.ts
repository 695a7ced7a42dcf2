import { isBatchctlError } from '../../errors.ts';
import { OPEN_STATES } from '../../model/job-state.ts';
import { aliveMs, type LedgerWorker } from '../../model/ledger/records.ts';
import {
  type GroupMetrics,
  type MetricsSnapshot,
  metricsOf,
  taskRateOf,
  type WorkerTallies,
  type WorkerTally,
} from '../../model/metrics.ts';
import { stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { runningViews } from '../open-jobs.ts';
import { knownGroups } from './queues.ts';

interface MetricsReading {
  readonly snapshot: MetricsSnapshot;
  readonly tallies: WorkerTallies;
}

/**
 * The metrics at this moment: a few requests per group, one for the workers, and the journals of open jobs. `before` is
 * the result of an earlier call, needed for tasks per minute. A group that can't be read is left out and named. Throws
 * only errors that affect everything.
 */
export async function readMetrics(platform: Platform, before: WorkerTallies | null = null): Promise<MetricsReading> {
  const { clock, leaseSeconds } = platform;
  const at = clock.now();
  const [names, workers, views] = await Promise.all([
    knownGroups(platform),
    platform.ledger().then((ledger) => ledger.workers({ since: at - aliveMs(leaseSeconds) })),
    runningViews(platform, OPEN_STATES),
  ]);
  const tallies: WorkerTallies = { at, workers: workers.map(tallyOf) };
  const alive = workers.filter(({ state }) => state !== 'gone');
  const groups: GroupMetrics[] = [];
  const unknown: string[] = [];
  for (const name of names) {
    try {
      groups.push(
        await groupMetrics(platform, name, alive, before === null ? null : taskRateOf(name, before, tallies)),
      );
    } catch (error) {
      if (!isBatchctlError(error)) throw error;
      unknown.push(name);
    }
  }
  const count = (state: string): number => views.filter((view) => stateOf(view) === state).length;
  const jobs = { submitted: count('submitted'), running: count('running'), paused: count('paused') };
  const late = views.filter(({ finishBy }) => finishBy !== null && Date.parse(finishBy) < at).length;
  return { snapshot: { at, groups, jobs, late, unknown }, tallies };
}

async function groupMetrics(
  platform: Platform,
  name: string,
  alive: readonly LedgerWorker[],
  pace: ReturnType<typeof taskRateOf>,
): Promise<GroupMetrics> {
  const [{ visible, leased, delayed, dead, oldestSeconds }, status] = await Promise.all([
    platform.queue(name).then((queue) => queue.backlog()),
    platform.group(name).then((group) => group.describe()),
  ]);
  const mine = alive.filter(({ group }) => group.split(',').includes(name));
  return {
    group: name,
    visible,
    leased,
    delayed,
    dead,
    oldest: oldestSeconds,
    desired: status.byHand === true ? null : status.desired,
    inService: status.machines?.inService ?? (status.byHand === true ? null : status.running),
    workers: mine.length,
    slots: mine.reduce((sum, { slots }) => sum + slots, 0),
    busy: mine.reduce((sum, { busy }) => sum + busy.length, 0),
    done: pace?.done ?? null,
    failed: pace?.failed ?? null,
  };
}

const tallyOf = ({ worker, group, done, failed, startedAt, seenAt }: LedgerWorker): WorkerTally => ({
  worker,
  groups: group.split(','),
  done,
  failed,
  startedAt,
  seenAt,
});

/** Interval between measurements, milliseconds: CloudWatch charges per metric, and alarms look once a minute. */
const EVERY_MS = 55_000;

/** Publishes metrics if the profile says so, at most once a minute, however often it is called. */
export class MetricsPublisher {
  readonly #platform: Platform;
  #seen: WorkerTallies | null;

  /** `seen`: the result of `seen()` in an earlier process. */
  constructor(platform: Platform, seen: WorkerTallies | null = null) {
    this.#platform = platform;
    this.#seen = seen;
  }

  /** Throws if the store or ledger is unreachable, or publishing fails; the metrics of this moment are then missing. */
  async round(): Promise<void> {
    const { metrics: sink, clock } = this.#platform;
    const now = clock.now();
    if (sink === undefined || (this.#seen !== null && now - this.#seen.at < EVERY_MS)) return;
    const { snapshot, tallies } = await readMetrics(this.#platform, this.#seen);
    this.#seen = tallies;
    await sink.put(metricsOf(snapshot), new Date(snapshot.at));
  }

  /** State for a later process; null if nothing is published. */
  seen(): WorkerTallies | null {
    return this.#seen;
  }
}
