import { isKind } from '../errors.ts';
import { findJob, findJobToShow } from '../jobs/find.ts';
import { holeHint, holeText } from '../jobs/journal.ts';
import type { JobView } from '../model/view.ts';
import type { Context } from './context.ts';

/** How the JOB argument reads in help. */
export const JOB_TEXT = 'id, unique prefix, key:RUN-KEY, name:NAME or last';

/** The state that a changing verb leaves, as its answer has it. */
export const STATE_SCHEMA = { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] } as const;

/** The job that is meant; says which where the words don't. Throws `notFound`, `usage`, `corrupt` for a journal with a hole. */
export async function jobMeant(ctx: Context, text: string | undefined): Promise<JobView> {
  return named(ctx, text, await findJob(await ctx.platform(), text));
}

/** The same for a command that only shows the job: a hole in its journal is a warning. */
export async function jobShown(ctx: Context, text: string | undefined): Promise<JobView> {
  const view = named(ctx, text, await findJobToShow(await ctx.platform(), text));
  await warnOfDamage(ctx, view);
  return view;
}

/**
 * Warns of a journal with a hole: what is shown leaves out what was decided after it; and of a pruned job of which something
 * that is left was altered.
 */
export async function warnOfDamage(ctx: Context, view: JobView): Promise<void> {
  if (view.pruned !== null) await warnOfRemains(ctx, view);
  if (view.hole === null) return;
  ctx.warn(`${holeText(view, view.hole)}: what was decided after entry ${view.hole.missing - 1} is not shown`);
  ctx.warn(holeHint(view, view.hole));
}

async function warnOfRemains(ctx: Context, view: JobView): Promise<void> {
  const { alteredText, REMAINS_HINT, remainsProblems } = await import('../jobs/remains.ts');
  const problems = await remainsProblems((await ctx.platform()).store, view).catch((error: unknown) => {
    if (isKind(error, 'corrupt')) return [error.message];
    throw error;
  });
  for (const problem of problems) ctx.warn(`${alteredText(view)}: ${problem}`);
  if (problems.length > 0) ctx.warn(REMAINS_HINT);
}

function named(ctx: Context, text: string | undefined, view: JobView): JobView {
  if (text !== view.record.job) ctx.notice(`job ${view.record.job}`);
  return view;
}
