import { parseDuration } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { startProgress } from '../progress.ts';
import { answer } from '../render.ts';

const count = { type: 'integer', minimum: 0 };

export function ledgerRebuildCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--since <duration>': parsed('only jobs accepted within this time: 7d', parseDuration) },
    writes: true,
    output: {
      type: 'object',
      required: ['jobs', 'attempts', 'exact', 'unreadable', 'damaged', 'dryRun'],
      properties: {
        jobs: { ...count, description: 'jobs written to the ledger' },
        attempts: { ...count, description: 'attempts written to the ledger, known before or not' },
        exact: { ...count, description: 'jobs whose counts are known to match the store' },
        unreadable: {
          type: 'array',
          items: { type: 'object', properties: { job: { type: 'string' }, why: { type: 'string' } } },
        },
        damaged: {
          type: 'array',
          description: "failures that can't be read in full; the readable part was written",
          items: { type: 'object', properties: { job: { type: 'string' }, why: { type: 'string' } } },
        },
        dryRun: { type: 'boolean', description: 'true: nothing was written' },
      },
    },
    help: {
      about:
        "Rebuilds the ledger's records of every job from the store. Only adds records and deletes nothing; may run while workers work, and may be repeated. The store has no record of workers, waiting times and returned attempts, so those stay unknown.",
      examples: ['batchctl ledger rebuild', 'batchctl ledger rebuild --since 7d'],
      exitCodes: [[0, "done; jobs and failures that can't be read are listed"]],
      related: ['verify', 'jobs', 'status', 'report'],
    },
    run: (input) => ledgerRebuild({ ctx, ...input }),
  });
}

export interface LedgerRebuildOptions {
  readonly ctx: Context;
  /** Seconds. */
  readonly since: number | undefined;
}

export async function ledgerRebuild({ ctx, since }: LedgerRebuildOptions): Promise<void> {
  const { rebuildAll } = await import('../../jobs/verify/rebuild-all.ts');
  const platform = await ctx.platform();
  const { dryRun } = ctx.flags;
  const progress = await startProgress(ctx, 'rebuilding');
  const rebuilt = await rebuildAll(platform, {
    since: since === undefined ? null : ctx.clock.now() - since * 1_000,
    dryRun,
    signal: ctx.signal,
    onProgress: (done, total) => progress.update(done, total),
  }).catch((error: unknown) => {
    progress.failed();
    throw error;
  });
  progress.done(`checked ${formatMany(rebuilt.jobs, 'job')}`);
  for (const { job, why } of rebuilt.unreadable) ctx.warn(`skipped ${job}: ${why}`);
  for (const { job, why } of rebuilt.damaged) ctx.warn(`${job} has a failure that can't be read in full: ${why}`);
  const { jobs, attempts, exact } = rebuilt;
  const text = dryRun
    ? `would write ${formatMany(jobs, 'job')} to the ledger`
    : `wrote ${formatMany(jobs, 'job')} to the ledger: ${formatMany(attempts, 'attempt')}, ${exact} with exact counts`;
  await answer(ctx, { json: { ...rebuilt, dryRun }, text });
}
