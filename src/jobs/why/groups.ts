import { isBatchctlError } from '../../errors.ts';
import { type Backlog, type TenantBacklog, totalMessages } from '../../model/backlog.ts';
import { type JobStanding, standingOf } from '../../model/decide.ts';
import { groupBy } from '../../model/group-by.ts';
import { groupsOf } from '../../model/job.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import { parseMessage } from '../../model/message.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import {
  type GroupSnapshot,
  type HoldSnapshot,
  type StepSnapshot,
  type Trouble,
  undecidedFor,
  type WorkerSnapshot,
} from '../../model/why/snapshot.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { type Hold, readBoots } from '../boots.ts';
import { readStaying } from '../cost/staying.ts';
import { listWorkers } from '../grid/workers.ts';
import { listFacts } from '../listing.ts';
import { linkedGroups } from '../watch/resend-missing.ts';

interface GroupContext {
  readonly standing: JobStanding | null;
  readonly steps: readonly StepSnapshot[] | null;
  readonly ledger: Ledger | null;
  readonly counts: readonly StepCounts[] | null;
}

/** The workers of a job's groups, and its messages in their queues, by group. */
export async function lookAtGroups(
  at: ServiceQuery,
  platform: Platform,
  view: JobView,
  { standing, steps, ledger, counts }: GroupContext,
): Promise<readonly GroupSnapshot[]> {
  const groups = groupsOf(view.record.spec);
  const workers =
    ledger === null
      ? []
      : ((await at.try('ledger', null, () => listWorkers(platform, { group: undefined, left: true }))) ?? []);
  const seen = await Promise.all(
    groups.map(async (group) => {
      const undecided = (steps ?? []).reduce((sum, step) => sum + undecidedFor(step, group), 0);
      const serving = workers.filter((worker) => worker.group.split(',').includes(group));
      const size =
        ledger === null ? null : await at.try('group', group, async () => (await platform.group(group)).describe());
      const supervisor = await at.try('group', group, async () => (await platform.insight?.supervisor(group)) ?? null);
      const queue = await at.try('queue', group, () => messagesOf(platform, view, group));
      const staying = await at.try('group', group, () => readStaying(platform, group, serving));
      const machines = size?.machines === undefined ? NO_MACHINES : await machinesOf(at, platform, group);
      return {
        group,
        undecided,
        size,
        supervisor,
        workers: serving satisfies readonly WorkerSnapshot[],
        queue,
        staying,
        ...machines,
      };
    }),
  );
  const missing = standing === null ? null : await missingOf(at, platform, view, standing, seen, counts);
  return seen.map(({ queue, ...facts }) => ({
    ...facts,
    backlog: queue?.backlog ?? null,
    mine: queue?.mine ?? null,
    missing: missing?.get(facts.group) ?? 0,
    newerFormat: newestFormat(queue?.mine?.delayedBodies ?? []),
  }));
}

const NO_MACHINES: Pick<GroupSnapshot, 'machines' | 'launchTroubles' | 'hold'> = {
  machines: [],
  launchTroubles: [],
  hold: null,
};

async function machinesOf(at: ServiceQuery, platform: Platform, name: string): Promise<typeof NO_MACHINES> {
  const [machines, launches, boots] = await Promise.all([
    at.try('group', name, async () => (await platform.group(name)).machines()),
    at.try('group', name, async () => (await platform.group(name)).launchTroubles()),
    at.try('store', null, () => readBoots(platform.store, name)),
  ]);
  const { hold = null, trouble = null } = boots ?? {};
  return {
    machines: machines ?? [],
    launchTroubles: [...(launches ?? []), ...(trouble === null ? [] : [trouble])],
    hold: hold && heldAs(hold),
  };
}

const heldAs = ({ failed, last: { instance, at, step, line } }: Hold): HoldSnapshot => ({
  failed,
  instance,
  at,
  step,
  line,
});

interface Messages {
  readonly backlog: Backlog;
  readonly mine: TenantBacklog | null;
}

async function messagesOf(platform: Platform, view: JobView, group: string): Promise<Messages> {
  const queue = await platform.queue(group);
  return { backlog: await queue.backlog(), mine: (await queue.ofTenant?.(view.record.job)) ?? null };
}

/**
 * Undecided tasks without a message, by the first of the groups whose queues may contain it. A task that moves is
 * briefly in neither place, so tasks count as missing only if a second look finds the job unchanged and no additional
 * messages.
 */
async function missingOf(
  at: ServiceQuery,
  platform: Platform,
  view: JobView,
  standing: JobStanding,
  seen: readonly Pooled[],
  counts: readonly StepCounts[] | null,
): Promise<ReadonlyMap<string, number>> {
  const state = stateOf(view);
  if (state !== 'running' && state !== 'submitted') return new Map();
  if (movedLately(platform, view, counts)) return new Map();
  const short = poolsOf(view, seen).filter((pool) => missingMessages(pool) > 0);
  if (short.length === 0) return new Map();
  const facts = await at.try('store', null, () => listFacts(platform.store, view));
  const again = facts === null ? null : standingOf(view, facts);
  if (again === null || signature(again) !== signature(standing)) return new Map();
  const missing = new Map<string, number>();
  for (const pool of short) {
    const now: Pooled[] = [];
    for (const { group, undecided } of pool) {
      now.push({ group, undecided, queue: await at.try('queue', group, () => messagesOf(platform, view, group)) });
    }
    const lack = missingMessages(now);
    if (lack > 0) missing.set(now.find(({ undecided }) => undecided > 0)?.group ?? '', lack);
  }
  return missing;
}

interface Pooled {
  readonly group: string;
  readonly undecided: number;
  readonly queue: Messages | null;
}

/** The job's groups; groups that hand over tasks to each other are together. */
function poolsOf({ record }: JobView, seen: readonly Pooled[]): readonly (readonly Pooled[])[] {
  const firstOf = ({ group }: Pooled) => [...linkedGroups(group, [record.spec])].sort()[0] ?? group;
  return [...groupBy(seen, firstOf).values()];
}

/** How many messages a pool's queues lack; none if one of them can't be queried. */
function missingMessages(pool: readonly Pooled[]): number {
  let lack = 0;
  for (const { undecided, queue } of pool) {
    if (queue === null) return 0;
    lack += undecided - held(queue);
  }
  return lack;
}

/** A service's counts may be a minute late (SQS: GetQueueAttributes), so they prove nothing if the job moved since. */
function movedLately(
  { clock, workplace: { countsLateMs } }: Platform,
  { record }: JobView,
  counts: readonly StepCounts[] | null,
): boolean {
  const moves = (counts ?? []).map(({ movedAt }) => movedAt ?? 0);
  return clock.now() - Math.max(Date.parse(record.createdAt), ...moves) < countsLateMs;
}

/** The job's messages; all of the group's if the queue can't distinguish them. */
const held = ({ mine, backlog }: Messages): number => totalMessages(mine ?? backlog);

const signature = ({ steps }: JobStanding): string =>
  steps.map(({ published, failed, undecided }) => `${published}/${failed}/${undecided.count}`).join(' ');

function newestFormat(bodies: readonly string[]): number | null {
  let newest: number | null = null;
  for (const body of bodies) {
    const parsed = parseMessage(body);
    if (parsed.kind === 'newer') newest = Math.max(newest ?? 0, parsed.format);
  }
  return newest;
}

/** Queries services one by one. Records those that fail, and continues with the rest. */
export class ServiceQuery {
  readonly troubles: Trouble[] = [];

  /** The result, or null if the service failed. Throws errors that are not a service's. */
  async try<T>(service: Trouble['service'], group: string | null, look: () => Promise<T>): Promise<T | null> {
    try {
      return await look();
    } catch (error) {
      this.#note(troubleOf(error, service, group));
      return null;
    }
  }

  #note(trouble: Trouble): void {
    if (!this.troubles.some(({ message }) => message === trouble.message)) this.troubles.push(trouble);
  }
}

/** The trouble of a service that an error shows. An error without a kind is a bug, and is rethrown. */
export function troubleOf(error: unknown, service: Trouble['service'], group: string | null): Trouble {
  if (!isBatchctlError(error)) throw error;
  const { kind, message, hint = null, denied = null } = error;
  return { service, group, kind, message, hint, denied };
}
