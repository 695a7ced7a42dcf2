import { type QueueCounts, totalMessages } from '../model/backlog.ts';
import { groupsOf } from '../model/job.ts';
import { OPEN_PREFIX, parseOpenMark } from '../model/keys.ts';
import { fitLoads, type Load, readyLoads, type StepLoad } from '../model/load.ts';
import { hasStarted, type JobView, stateOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { peekIfReadable } from './denied-job.ts';
import { deviationsOf, earlierRun } from './durations.ts';

const NONE: ReadonlyMap<number, number> = new Map();

interface LoadOptions {
  /** Tasks that were just requested again, by step index. */
  readonly again?: ReadonlyMap<number, number>;
  /** True: for jobs with a deadline, also read the spread of task durations, from a few outputs. */
  readonly spread?: boolean;
}

/** The tasks that jobs have ready to run, by step and group: a few ledger reads per job, whatever its size. */
export async function loadsOf(
  platform: Platform,
  views: readonly JobView[],
  { again = NONE, spread = false }: LoadOptions = {},
): Promise<readonly StepLoad[]> {
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const loads = await Promise.all(
    views.map(async (view) => {
      const counts = await ledger.counts(view.record.job);
      const unknown = view.record.spec.steps.some(
        ({ name }) => !counts.some(({ step, done }) => step === name && done > 0),
      );
      const earlier = unknown ? await earlierRun(ledger, view) : null;
      const deviations = new Map<string, number>();
      if (spread && view.finishBy !== null) {
        const { store } = platform;
        const before = earlier === null ? [] : await deviationsOf(store, earlier.job, await ledger.counts(earlier.job));
        const mine = await deviationsOf(store, view.record.job, counts);
        for (const [step, deviation] of [...before, ...mine]) deviations.set(step, deviation);
      }
      return readyLoads(view, { counts, means: earlier?.means ?? new Map(), again, deviations, now });
    }),
  );
  return loads.flat();
}

/** A group's share of the ready tasks, limited to what its queue holds. */
export function loadsOfGroup(
  group: string,
  loads: readonly StepLoad[],
  backlog: QueueCounts | null,
  fresh: boolean,
): readonly Load[] {
  const held = backlog === null ? null : totalMessages(backlog);
  return fitLoads(
    loads.filter((load) => load.group === group),
    held,
    fresh,
  );
}

/** Other running jobs with tasks in the queues of these groups. Skips jobs that can't be read. */
export async function otherJobsInGroups(
  { store, clock }: Platform,
  groups: ReadonlySet<string>,
  besides: ReadonlySet<string>,
): Promise<readonly JobView[]> {
  const jobs = new Set<string>();
  for await (const key of store.keys(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
    if (mark !== null && !besides.has(mark.job)) jobs.add(mark.job);
  }
  const now = clock.now();
  const views = await Promise.all([...jobs].map((job) => peekIfReadable(store, job)));
  return views
    .filter((view) => view !== null)
    .filter((view) => stateOf(view) === 'running' && groupsOf(view.record.spec).some((group) => groups.has(group)))
    .filter((view) => hasStarted(view, now));
}
