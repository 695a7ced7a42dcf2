import { isBatchctlError } from '../../errors.ts';
import type { JobStatus } from '../../model/answers/status.ts';
import { roundUsd } from '../../model/cost/limit.ts';
import { type RemainingStep, workCost } from '../../model/cost/projected.ts';
import {
  jobSpending,
  lifeOfJob,
  nextMachinePrice,
  shouldCountSharingJobs,
  typesWithoutPrice,
} from '../../model/cost/spending.ts';
import { groupsOf } from '../../model/job.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { otherJobsInGroups } from '../demand.ts';
import { earlierRun } from '../durations.ts';
import { type CostFacts, limitOf, meanSeconds, readCostFacts } from './standings.ts';

/** A job's cost for display, US dollars. */
export type CostStatus = Pick<JobStatus, 'cost' | 'costProjected' | 'maxCost' | 'costUnknown'>;

interface CostReading {
  readonly at: number;
  readonly facts: CostFacts | null;
  /** Mean seconds per task by step, from an earlier run. */
  readonly means: ReadonlyMap<string, number>;
  /** How many jobs share its groups, if that matters. */
  readonly sharers: number;
}

/** How long the data stays valid for a repeated status, milliseconds. */
const HOLDS_MS = 60_000;

/** Computes a job's cost; for a repeated status it reads only once a minute. */
export class CostReader {
  readonly #platform: Platform;
  #read: CostReading | null = null;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** `left`: the remaining tasks of each step, in step order. */
  async of(view: JobView, counts: readonly StepCounts[], left: readonly TasksLeft[]): Promise<CostStatus> {
    const { budget, clock } = this.#platform;
    const limit = budget === undefined ? view.maxCost : limitOf(view, budget);
    const none: CostStatus = { cost: null, costProjected: null, maxCost: limit, costUnknown: [] };
    if (budget === undefined) return none;
    const now = clock.monotonic();
    if (this.#read === null || now - this.#read.at >= HOLDS_MS)
      this.#read = { at: now, ...(await this.#readFacts(view, counts)) };
    const { facts, means, sharers } = this.#read;
    return facts === null ? none : { ...none, ...costsOf(view, facts, { counts, left, means, sharers }) };
  }

  async #readFacts(view: JobView, counts: readonly StepCounts[]): Promise<Omit<CostReading, 'at'>> {
    const { createdAt, job, spec } = view.record;
    const groups = new Set(groupsOf(spec));
    try {
      const unseen = view.closed === null && spec.steps.some(({ name }) => meanSeconds(counts, name) === null);
      const facts = await readCostFacts(this.#platform, groupsOf(spec), Date.parse(createdAt));
      const costs = facts !== null && facts.prices.size > 0;
      const earlier = unseen && costs ? await earlierRun(await this.#platform.ledger(), view) : null;
      const shared = facts !== null && view.closed === null && shouldCountSharingJobs(groups, facts.machines);
      const others = shared ? await otherJobsInGroups(this.#platform, groups, new Set([job])) : [];
      return { facts: costs ? facts : null, means: earlier?.means ?? new Map(), sharers: 1 + others.length };
    } catch (error) {
      // Cost is a minor part of a status, which must not fail because a group is no longer configured.
      if (!isBatchctlError(error)) throw error;
      return { facts: null, means: new Map(), sharers: 1 };
    }
  }
}

/** Tasks of a step that wait or will come (null if unknown), and those that run. */
export interface TasksLeft {
  readonly total: number | null;
  readonly waiting: number;
  readonly running: number;
}

interface Progress extends Pick<CostReading, 'means' | 'sharers'> {
  readonly counts: readonly StepCounts[];
  readonly left: readonly TasksLeft[];
}

function costsOf(
  view: JobView,
  facts: CostFacts,
  { counts, left, means, sharers }: Progress,
): Omit<CostStatus, 'maxCost'> {
  const { job, spec, createdAt } = view.record;
  const groups = new Set(groupsOf(spec));
  const ended = view.closed === null ? null : Date.parse(view.closed.when);
  const life = lifeOfJob(Date.parse(createdAt), ended, facts.now);
  const spent = jobSpending({ job, groups, life, sharers }, facts.machines, facts.priceAt);
  const steps = spec.steps.map(({ name, group, needs }, index): RemainingStep => {
    const { total = null, waiting = 0, running = 0 } = left[index] ?? {};
    const seconds = meanSeconds(counts, name) ?? means.get(name) ?? null;
    return { group, waiting: total === null ? null : waiting, running, seconds, slots: needs.slots };
  });
  const open = view.closed === null && !view.cancelled;
  const toCome = open ? workCost(steps, (group) => slotPrice(group, facts)) : null;
  return {
    cost: spent.usd === null ? null : roundUsd(spent.usd),
    costProjected: spent.usd === null || toCome === null ? null : roundUsd(spent.usd + toCome),
    costUnknown: [...new Set([...spent.unknown, ...(open ? unpricedTypes(facts) : [])])].sort(),
  };
}

const unpricedTypes = ({ prices }: CostFacts): readonly string[] => [...prices.values()].flatMap(typesWithoutPrice);

function slotPrice(group: string, { prices, machines }: CostFacts) {
  const of = prices.get(group);
  if (of === undefined) return { usd: 0, slots: 1 };
  const seen = machines.filter((machine) => machine.groups.includes(group)).map(({ slots }) => slots);
  return { usd: nextMachinePrice(of), slots: of.slots ?? (seen.length === 0 ? 1 : Math.min(...seen)) };
}
