import { ledgerRebuild } from '../../verbs/ledger.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { type Progress, startProgress } from '../progress.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function ledgerRebuildCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, ledgerRebuild, {
    help: {
      about:
        "Rebuilds the ledger's records of every job from the store. Only adds records and deletes nothing; may run while workers work, and may be repeated. The store has no record of workers, waiting times and returned attempts, so those stay unknown.",
      examples: ['batchctl ledger rebuild', 'batchctl ledger rebuild --since 7d'],
      exitCodes: [[0, "done; jobs and failures that can't be read are listed"]],
      related: ['verify', 'jobs', 'status', 'report'],
    },
    show: () => {
      let progress: Progress | null = null;
      return {
        event: async ({ tasks }) => {
          if (progress === null) progress = await startProgress(ctx, 'rebuilding');
          else progress.update(tasks, null);
        },
        answer: async (rebuilt) => {
          const { jobs, attempts, exact, unreadable, damaged, dryRun } = rebuilt;
          progress?.done(`checked ${formatMany(jobs, 'job')}`);
          progress = null;
          for (const { job, why } of unreadable) ctx.warn(`skipped ${job}: ${why}`);
          for (const { job, why } of damaged) ctx.warn(`${job} has a failure that can't be read in full: ${why}`);
          const to = `${formatMany(jobs, 'job')} to the ledger`;
          const text = dryRun
            ? `would write ${to}`
            : `wrote ${to}: ${formatMany(attempts, 'attempt')}, ${exact} with exact counts`;
          await answer(ctx, { json: rebuilt, text });
        },
        close: () => progress?.failed(),
      };
    },
  });
}
