import { parseDuration } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { answer } from '../render.ts';
import { startProgress } from '../render-progress.ts';

const count = { type: 'integer', minimum: 0 };

export function ledgerRebuildCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--since <duration>': parsed('only jobs accepted in the last so long: 7d', parseDuration) },
    writes: true,
    output: {
      type: 'object',
      required: ['jobs', 'attempts', 'exact', 'unreadable', 'damaged', 'dryRun'],
      properties: {
        jobs: { ...count, description: 'jobs that were told of' },
        attempts: { ...count, description: 'attempts that were told of, known before or not' },
        exact: { ...count, description: 'jobs whose counts are known to equal what the store says' },
        unreadable: {
          type: 'array',
          items: { type: 'object', properties: { job: { type: 'string' }, why: { type: 'string' } } },
        },
        damaged: {
          type: 'array',
          description: 'failures that can not be read, or not wholly; they were told of as what is known of them',
          items: { type: 'object', properties: { job: { type: 'string' }, why: { type: 'string' } } },
        },
        dryRun: { type: 'boolean', description: 'true: nothing was told' },
      },
    },
    help: {
      about:
        'Tells the ledger what the store says of every job. Only adds: it deletes nothing, may run while workers work, and be run again. The store keeps no record of workers, of waiting times and of attempts that were given back: those stay unknown.',
      examples: ['batchctl ledger rebuild', 'batchctl ledger rebuild --since 7d'],
      exitCodes: [[0, 'done; jobs and failures that can not be read are named']],
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

/** Rebuilds the ledger from the store. */
export async function ledgerRebuild({ ctx, since }: LedgerRebuildOptions): Promise<void> {
  const { rebuildAll } = await import('../../jobs/rebuild-all.ts');
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
  progress.done(`looked at ${formatMany(rebuilt.jobs, 'job')}`);
  for (const { job, why } of rebuilt.unreadable) ctx.warn(`${job} was passed over: ${why}`);
  for (const { job, why } of rebuilt.damaged) ctx.warn(`${job} has a failure that can't be read wholly: ${why}`);
  const { jobs, attempts, exact } = rebuilt;
  const text = dryRun
    ? `would tell the ledger of ${formatMany(jobs, 'job')}`
    : `the ledger knows ${formatMany(jobs, 'job')} again: ${formatMany(attempts, 'attempt')}, ${exact} with exact counts`;
  await answer(ctx, { json: { ...rebuilt, dryRun }, text });
}
