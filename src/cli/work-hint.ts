import type { JobView } from '../model/view.ts';
import type { Context } from './context.ts';

/** On the local profile nothing works by itself: says which command does. */
export async function hintWork(ctx: Context, view: JobView): Promise<void> {
  if ((await ctx.config()).profile.backend !== 'local') return;
  const groups = [...new Set(view.record.spec.steps.map(({ group }) => group))];
  const named = groups.map((group) => `--group ${group} `).join('');
  ctx.notice(`work on it: batchctl worker ${named}--until-empty, or batchctl scale 1`);
}
