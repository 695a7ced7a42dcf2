import { isKind } from '../../errors.ts';
import type { SampleRun } from '../../model/forecast/sample.ts';
import type { JobSpec } from '../../model/job.ts';
import { isRehearsal } from '../../model/rehearsal.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { readView } from '../journal.ts';
import { observe } from './observe.ts';

/** The newest few tell how it goes now. */
const RUNS = 3;
/** So many of the name's newest jobs are looked through for them. */
const LATEST = 50;

/** The latest runs of a job, newest first: those of the same name and steps that succeeded; no rehearsals. */
export async function historyOf(
  platform: Platform,
  { name, steps }: Pick<JobSpec, 'name' | 'steps'>,
  signal?: AbortSignal,
): Promise<readonly SampleRun[]> {
  const ledger = await platform.ledger();
  const runs: SampleRun[] = [];
  for (const job of await ledger.jobs({ name, states: ['succeeded'], limit: LATEST })) {
    if (job.pruned || isRehearsal(job.steps)) continue;
    const view = await viewOf(platform, job.job);
    if (view === null || view.pruned !== null) continue;
    const { spec } = view.record;
    if (spec.steps.map((step) => step.name).join() !== steps.map((step) => step.name).join()) continue;
    const run = await observe(platform, view, { commandsOnly: false, ...(signal && { signal }) });
    if (run.steps.some((seen) => seen.length > 0)) runs.push(run);
    if (runs.length === RUNS) break;
  }
  return runs;
}

/** A job that can't be read tells nothing, and is no reason not to plan another. */
async function viewOf({ store }: Platform, job: string): Promise<JobView | null> {
  try {
    return await readView(store, job);
  } catch (error) {
    if (isKind(error, 'corrupt', 'newer')) return null;
    throw error;
  }
}
