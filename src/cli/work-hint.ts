import { groupsOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Context } from './context.ts';

/** Where nothing works by itself: says which command does. */
export async function hintWork(ctx: Context, view: JobView): Promise<void> {
  const { profile } = await ctx.config();
  const groups = groupsOf(view.record.spec);
  const named = groups.map((group) => `--group ${group} `).join('');
  if (profile.backend === 'local') ctx.notice(`work on it: batchctl worker ${named}--until-empty, or batchctl scale 1`);
  // Until a group has machines of its own, whoever has credentials may work for it.
  if (profile.backend === 'aws') ctx.notice(`work on it: batchctl worker --here ${named}--until-empty`);
}
