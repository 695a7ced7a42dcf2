import * as v from 'valibot';
import { type Cause, causesOf, examplesOf, matching } from '../jobs/failures.ts';
import { stepTotals } from '../jobs/listing.ts';
import { ahead } from '../lib/parallel.ts';
import type { CauseExample, FailureCause } from '../model/answers/failures.ts';
import type { JobView } from '../model/view.ts';
import { jobOrLatest, jobShown } from './job.ts';
import { field, listVerb, text, type VerbContext } from './verb.ts';

export type FailuresEvent =
  /** Number of failures read so far, if reading continues. */
  | { readonly event: 'reading'; readonly failures: number }
  /** Reported before the first cause. `tasks`: all tasks of the steps that have failures. */
  | { readonly event: 'found'; readonly job: string; readonly tasks: number };

/** From this many failures on, progress is reported: with fewer, it would vanish before it can be read. */
const MANY = 5_000;
/** Failures between reports of progress. */
const EVERY = 1_000;
/** Up to this many failures are checked for bad input. */
const LOOKED_UP = 1_000;
/** Examples looked up concurrently. */
const AT_ONCE = 16;

/** Groups a job's failures by cause, the most frequent first. Throws `notFound`, `usage`. */
export const failures = listVerb({
  name: 'failures',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/jobs/{job}/failures' },
  input: v.strictObject({
    job: v.optional(jobOrLatest),
    cause: v.optional(field('--cause <id>', 'show one cause in detail: its tasks, and the log of one of them', text)),
  }),
  answer: async () => (await import('../model/answers/failures.ts')).FAILURE_CAUSE,
  async run(context: VerbContext<FailuresEvent>, { job, cause }) {
    const platform = await context.platform();
    const view = await jobShown(context, job);
    const onProgress = (seen: number): void => {
      context.signal.throwIfAborted();
      if (seen >= MANY && seen % EVERY === 0) context.report({ event: 'reading', failures: seen });
    };
    const all = await causesOf(platform, view, onProgress, LOOKED_UP);
    const causes = cause === undefined ? all : matching(all, cause, view.record.job);
    context.report({ event: 'found', job: view.record.job, tasks: tasksIn(view, causes) });
    const exampleOf = examplesOf(platform, view);
    return ahead(causes, AT_ONCE, async (of) => documentOf(view.record.job, of, await exampleOf(of)));
  },
});

/** Number of tasks in the steps that the causes belong to. */
function tasksIn(view: JobView, causes: readonly Cause[]): number {
  const steps = new Set(causes.map(({ step }) => step));
  return stepTotals(view).reduce(
    (sum, size, index) => (steps.has(view.record.spec.steps[index]?.name ?? '') ? sum + size : sum),
    0,
  );
}

function documentOf(job: string, cause: Cause, example: CauseExample): FailureCause {
  const { id, step, exitCode, reason, error, tasks, skipped, first, last, workers, badInput } = cause;
  return {
    ...{ job, cause: id, step, exitCode, reason, error, count: tasks.count, tasks: String(tasks) },
    ...{ skippedCount: skipped.count, skipped: String(skipped), first: iso(first), last: iso(last) },
    ...{ workers, badInput, example },
  };
}

const iso = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());
