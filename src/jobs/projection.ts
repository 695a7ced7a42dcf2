import { nullIfBatchctlError } from '../errors.ts';
import { totalMessages } from '../model/backlog.ts';
import type { LedgerWorker, StepCounts } from '../model/ledger/records.ts';
import { readyLoads, type StepLoad, sum } from '../model/load.ts';
import { type GroupShare, projectionOf } from '../model/projection.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { bootSeconds } from './boots.ts';
import { deviationsOf, earlierRun } from './durations.ts';

/** The projection of a job with a deadline; instants are ISO-8601 UTC. */
export interface ProjectedStatus {
  /** Seconds until its end. */
  readonly eta: number;
  readonly projected: string;
  /** The range of the end with 95 % probability; null while part of it is only assumed. */
  readonly projectedEarliest: string | null;
  readonly projectedLatest: string | null;
}

/** Outputs per step that are read to estimate the spread of durations, for a job of any size (law 11). */
const SAMPLE = 16;
/** The age at which all facts but counters are read again, milliseconds. */
const EVERY_MS = 60_000;

/** Projects jobs with a deadline, once or repeatedly. */
export class ProjectionWatch {
  readonly #platform: Platform;
  #known: Known | null = null;
  #at = Number.NEGATIVE_INFINITY;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Null without a deadline, if the job isn't running, and while too little is known. `workers`: the running ones. */
  async of(
    view: JobView,
    counts: readonly StepCounts[],
    workers: readonly LedgerWorker[],
  ): Promise<ProjectedStatus | null> {
    const { clock } = this.#platform;
    const { job } = view.record;
    if (view.finishBy === null || view.closed !== null || view.cancelled || view.paused !== null) return null;
    const now = clock.now();
    if (this.#known?.job !== job || clock.monotonic() - this.#at >= EVERY_MS) {
      this.#known = await this.#read(view, counts);
      this.#at = clock.monotonic();
    }
    const loads = readyLoads(view, { counts, ...this.#known, again: NONE, now });
    const groups = [...new Set(loads.map(({ group }) => group))];
    const shares = await Promise.all(groups.map((group) => this.#shareOf(group, loads, workers)));
    const found = projectionOf(job, shares);
    if (found === null) return null;
    const iso = (seconds: number): string => new Date(now + seconds * 1_000).toISOString();
    return {
      eta: Math.round(found.ends),
      projected: iso(found.ends),
      projectedEarliest: found.within === null ? null : iso(found.within.earliest),
      projectedLatest: found.within === null ? null : iso(found.within.latest),
    };
  }

  async #read(view: JobView, counts: readonly StepCounts[]): Promise<Known> {
    const { store } = this.#platform;
    const { job, spec } = view.record;
    const unknown = spec.steps.some(({ name }) => !counts.some(({ step, done }) => step === name && done > 0));
    const earlier = unknown ? await earlierRun(await this.#platform.ledger(), view) : null;
    const means = earlier?.means ?? new Map<string, number>();
    return { job, means, deviations: await deviationsOf(store, job, counts, SAMPLE) };
  }

  async #shareOf(group: string, all: readonly StepLoad[], workers: readonly LedgerWorker[]): Promise<GroupShare> {
    const { workplace, store } = this.#platform;
    const mine = all.filter((load) => load.group === group);
    const [others, starting, boot] = await Promise.all([
      this.#othersIn(group, mine),
      // A group that can't be read is assumed to start none.
      workplace.sizesGroups ? this.#startingIn(group).catch(nullIfBatchctlError) : 0,
      bootSeconds(store, group),
    ]);
    const here = workers.filter((worker) => worker.group.split(',').includes(group));
    const slots = here.length === 0 ? 1 : Math.min(...here.map((worker) => worker.slots));
    // In workers of equal slots.
    const current = sum(here.map((worker) => worker.slots)) / slots;
    return {
      loads: [...mine, ...others],
      ground: { slots, current, boot },
      instances: Math.max(current, here.length === 0 ? 0 : (starting ?? 0)),
    };
  }

  /**
   * Other messages in the group's queue, which take turns with the job and are assumed to take as long. None if the
   * queue can't be read.
   */
  async #othersIn(group: string, mine: readonly StepLoad[]): Promise<readonly StepLoad[]> {
    const [first] = mine.filter(({ tasks }) => tasks > 0);
    if (first?.due === undefined) return [];
    const held = await this.#heldIn(group).catch(nullIfBatchctlError);
    const tasks = (held ?? 0) - sum(mine.map((load) => load.tasks));
    const due = { job: '', in: Number.POSITIVE_INFINITY, coming: 0, deviation: null, after: 0 };
    return tasks <= 0
      ? []
      : [{ group, tasks, most: tasks, seconds: first.seconds, slots: first.slots, atOnce: null, due }];
  }

  async #heldIn(group: string): Promise<number> {
    return totalMessages(await (await this.#platform.queue(group)).readCounts());
  }

  /** Instances in service and starting. */
  async #startingIn(group: string): Promise<number> {
    const { machines } = await (await this.#platform.group(group)).describe();
    return machines === undefined ? 0 : machines.inService + machines.pending;
  }
}

interface Known {
  readonly job: string;
  readonly means: ReadonlyMap<string, number>;
  readonly deviations: ReadonlyMap<string, number>;
}

const NONE: ReadonlyMap<number, number> = new Map();
