import type { Load } from '../../model/capacity.ts';
import { fitLoads, readyLoads, type StepLoad } from '../../model/demand.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Backlog } from '../../ports/task-queue.ts';
import { earlierRun } from '../why/durations.ts';

const NONE: ReadonlyMap<number, number> = new Map();

/** What jobs have ready to run, by step and group: a few reads of the ledger a job, whatever its size. */
export async function loadsOf(
  platform: Platform,
  views: readonly JobView[],
  again: ReadonlyMap<number, number> = NONE,
): Promise<readonly StepLoad[]> {
  const ledger = await platform.ledger();
  const loads = await Promise.all(
    views.map(async (view) => {
      const counts = await ledger.counts(view.record.job);
      const unknown = view.record.spec.steps.some(
        ({ name }) => !counts.some(({ step, done }) => step === name && done > 0),
      );
      const means = unknown ? (await earlierRun(ledger, view))?.means : undefined;
      return readyLoads(view, { counts, means: means ?? new Map(), again });
    }),
  );
  return loads.flat();
}

/** A group's share of what is ready, as many tasks as its queue holds. */
export function loadsIn(
  group: string,
  loads: readonly StepLoad[],
  backlog: Pick<Backlog, 'visible' | 'leased' | 'delayed'> | null,
  fresh: boolean,
): readonly Load[] {
  const held = backlog === null ? null : backlog.visible + backlog.leased + backlog.delayed;
  return fitLoads(
    loads.filter((load) => load.group === group),
    held,
    fresh,
  );
}
