import { findJob } from '../jobs/find.ts';
import type { JobView } from '../model/view.ts';
import type { Context } from './context.ts';

/** How the JOB argument reads in help. */
export const JOB_TEXT = 'id, unique prefix, key:RUN-KEY, name:NAME or last';

/** The state that a changing verb leaves, as its answer has it. */
export const STATE_SCHEMA = { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] } as const;

/** The job that is meant; says which where the words don't. Throws `notFound`, `usage`. */
export async function jobMeant(ctx: Context, text: string | undefined): Promise<JobView> {
  const view = await findJob(await ctx.platform(), text);
  if (text !== view.record.job) ctx.notice(`job ${view.record.job}`);
  return view;
}
