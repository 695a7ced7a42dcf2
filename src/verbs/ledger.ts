import * as v from 'valibot';
import { rebuildAll } from '../jobs/verify/rebuild-all.ts';
import type { RebuiltAnswer } from '../model/answers/ledger.ts';
import { duration } from './job.ts';
import { field, verb } from './verb.ts';

/** Tasks read so far, in all jobs. */
export interface RebuildEvent {
  readonly tasks: number;
}

/** Rebuilds the ledger's records of jobs from the store. */
export const ledgerRebuild = verb<RebuildEvent>()({
  name: 'ledger rebuild',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/rebuilds' },
  input: v.strictObject({
    since: v.optional(field('--since <duration>', 'only jobs accepted within this time: 7d', duration)),
  }),
  answer: async () => (await import('../model/answers/ledger.ts')).REBUILT,
  async run(context, { since }): Promise<RebuiltAnswer> {
    const { clock, dryRun, signal } = context;
    const platform = await context.platform();
    context.report({ tasks: 0 });
    const rebuilt = await rebuildAll(platform, {
      since: since === undefined ? null : clock.now() - since * 1_000,
      dryRun,
      signal,
      onProgress: (tasks) => context.report({ tasks }),
    });
    return { ...rebuilt, dryRun };
  },
});
