import { isKind } from '../../errors.ts';
import { groupsOf } from '../../model/job.ts';
import { OPEN, openOf } from '../../model/keys.ts';
import { fitLoads, type Load, readyLoads, type StepLoad } from '../../model/load.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Held } from '../../ports/task-queue.ts';
import { isDenied } from '../denied-job.ts';
import { peekView } from '../journal.ts';
import { deviationsOf, earlierRun } from '../why/durations.ts';

const NONE: ReadonlyMap<number, number> = new Map();

interface LoadsAsked {
  /** Tasks that were asked for again this moment, by the step's index. */
  readonly again?: ReadonlyMap<number, number>;
  /** True: of jobs with a deadline also how far their tasks' durations lie apart, by a few outputs. */
  readonly spread?: boolean;
}

/** What jobs have ready to run, by step and group: a few reads of the ledger a job, whatever its size. */
export async function loadsOf(
  platform: Platform,
  views: readonly JobView[],
  { again = NONE, spread = false }: LoadsAsked = {},
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

/** A group's share of what is ready, as many tasks as its queue holds. */
export function loadsIn(
  group: string,
  loads: readonly StepLoad[],
  backlog: Held | null,
  fresh: boolean,
): readonly Load[] {
  const held = backlog === null ? null : backlog.visible + backlog.leased + backlog.delayed;
  return fitLoads(
    loads.filter((load) => load.group === group),
    held,
    fresh,
  );
}

/** Running jobs besides those given whose tasks lie in the queues of the groups. One that can't be read is left out. */
export async function jobsSharing(
  { store, clock }: Platform,
  groups: ReadonlySet<string>,
  besides: ReadonlySet<string>,
): Promise<readonly JobView[]> {
  const jobs = new Set<string>();
  for await (const key of store.keys(OPEN)) {
    const mark = openOf(key);
    if (mark !== null && !besides.has(mark.job)) jobs.add(mark.job);
  }
  const now = clock.now();
  const views = await Promise.all(
    [...jobs].map((job) =>
      peekView(store, job).catch((error) => {
        if (isKind(error, 'newer', 'corrupt') || isDenied(error)) return null;
        throw error;
      }),
    ),
  );
  return views
    .filter((view) => view !== null)
    .filter((view) => stateOf(view) === 'running' && groupsOf(view.record.spec).some((group) => groups.has(group)))
    .filter(({ notBefore }) => notBefore === null || Date.parse(notBefore) <= now);
}
