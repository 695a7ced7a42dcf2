import { BatchctlError } from '../../errors.ts';
import type { LeftoverKind } from '../../jobs/prune/leftovers.ts';
import type { Prunable, PruneChoice, Pruned, PrunedJob } from '../../jobs/prune/prune.ts';
import { formatSize, parseDuration } from '../../lib/units.ts';
import { STATE_SCHEMA } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand, type JsonSchema, parsed } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatInstant, formatMany } from '../format.ts';
import { startProgress } from '../progress.ts';
import { answer, renderTable } from '../render.ts';

const count = { type: 'integer', minimum: 0 };
const removed = { objects: count, bytes: count };
const LEFTOVERS: Readonly<Record<LeftoverKind, string>> = {
  submissions: 'uncommitted submissions',
  code: 'code that no job uses',
  workers: 'logs, orders and scratch files of old workers',
  keepers: 'old records of managers and ticks',
  notices: 'old records of notifications',
  marks: 'marks of retries that never started',
  tokens: 'expired tokens',
};

const PRUNE_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['jobs', 'spared', 'leftovers', 'objects', 'bytes', 'dryRun'],
  properties: {
    jobs: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          job: { type: 'string' },
          state: STATE_SCHEMA,
          closedAt: { type: ['string', 'null'], format: 'date-time' },
          proof: { type: 'boolean', description: 'a proof of it is stored' },
          ...removed,
        },
      },
    },
    spared: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          job: { type: 'string' },
          why: { enum: ['open', 'recent', 'undelivered', 'read', 'unreadable'] },
          detail: {
            type: ['string', 'null'],
            description: 'its state, when it closed, which job reads it, or what is wrong',
          },
        },
      },
    },
    leftovers: { type: 'object', properties: leftoverSchemas() },
    ...removed,
    dryRun: { type: 'boolean', description: 'true: nothing was removed' },
  },
};

function leftoverSchemas(): JsonSchema {
  return Object.fromEntries(
    Object.entries(LEFTOVERS).map(([kind, description]) => [
      kind,
      { type: 'object', description, properties: removed },
    ]),
  );
}

const DEFAULT = '30d';
/** Above this many tasks a progress line is shown. */
const LONG = 20_000;

export function pruneCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--older-than <duration>': parsed(
        `only jobs that closed longer ago than this (default: ${DEFAULT})`,
        parseDuration,
      ),
      '--all': 'every closed job, however recent',
    },
    writes: true,
    output: PRUNE_OUTPUT,
    help: {
      about:
        'Removes the outputs, parts, failures and logs of closed jobs. Keeps job.json, the journal, proofs and run keys, so status, verify and history still work and a run key is not run twice. Also removes uncommitted submissions, code that no job uses, and leftovers of old workers. Keeps jobs that are open or not yet delivered, and those whose outputs an open job reads. Asks for confirmation; --yes confirms, --dry-run shows what would be removed.',
      examples: ['batchctl prune --dry-run', 'batchctl prune --older-than 90d --yes', 'batchctl prune --all'],
      exitCodes: [
        [0, 'removed, or there was nothing to remove'],
        [7, 'not confirmed'],
      ],
      related: ['jobs', 'verify', 'rm', 'ledger rebuild'],
    },
    run: (input) => prune({ ctx, ...input }),
  });
}

export interface PruneOptions {
  readonly ctx: Context;
  /** Seconds. */
  readonly olderThan: number | undefined;
  readonly all: boolean;
}

/** Prunes finished jobs and leftovers, after confirmation. Throws `usage`, `refused`. */
export async function prune({ ctx, olderThan, all }: PruneOptions): Promise<void> {
  if (all && olderThan !== undefined) {
    throw new BatchctlError('usage', '--all and --older-than are mutually exclusive', { hint: 'use only one of them' });
  }
  const { choosePrunable } = await import('../../jobs/prune/prune.ts');
  const jobs = await import('../../jobs/prune/prune.ts');
  const platform = await ctx.platform();
  const age = (all ? 0 : (olderThan ?? parseDuration(DEFAULT))) * 1_000;
  const choice = await choosePrunable(platform, age);
  const asked = choice.jobs.filter(({ begun }) => !begun);
  if (asked.length > 0) {
    const unproven = asked.filter(({ state, proof }) => !proof && state === 'succeeded').length;
    if (unproven > 0)
      ctx.warn(`${formatMany(unproven, 'job')} succeeded without a proof; batchctl verify JOB stores one`);
    await confirm(ctx, question(asked, platform.store.location));
  }
  const { dryRun } = ctx.flags;
  const tasks = choice.jobs.reduce((sum, { parts }) => sum + parts, 0);
  const progress = tasks > LONG ? await startProgress(ctx, dryRun ? 'counting' : 'removing') : null;
  let done = 0;
  const pruned = await jobs
    .prune(platform, choice, age, {
      dryRun,
      signal: ctx.signal,
      onRemoved: (objects) => {
        done += objects;
        progress?.update(done, null);
      },
    })
    .catch((error: unknown) => {
      progress?.failed();
      throw error;
    });
  progress?.done(`${dryRun ? 'would remove' : 'removed'} ${formatMany(pruned.total.objects, 'object')}`);
  await answer(ctx, { json: documentOf(pruned, dryRun), text: () => textOf(ctx, pruned, choice) });
  warnSpared(ctx, pruned);
}

function question(jobs: readonly Prunable[], location: string): string {
  const named = jobs.slice(0, 3).map(({ job }) => job);
  const names = jobs.length > named.length ? `${named.join(', ')}, ...` : named.join(', ');
  return `remove outputs, parts and logs of ${formatMany(jobs.length, 'closed job')} (${names}) from ${location}?`;
}

function documentOf({ jobs, spared, leftovers, total }: Pruned, dryRun: boolean): unknown {
  return { jobs, spared, leftovers, ...total, dryRun };
}

async function textOf(ctx: Context, { jobs, leftovers, total }: Pruned, choice: PruneChoice): Promise<string> {
  const zone = await ctx.zone();
  const blocks: string[] = [];
  if (jobs.length > 0) {
    blocks.push(
      await renderTable<PrunedJob>(ctx, jobs, [
        { title: 'job', value: ({ job }) => job, min: 24 },
        { title: 'state', value: ({ state }) => state },
        {
          title: 'closed',
          value: ({ closedAt }) =>
            closedAt === null ? '' : formatInstant(Date.parse(closedAt), zone, ctx.clock.now()),
        },
        { title: 'objects', value: ({ objects }) => String(objects), align: 'right' },
        { title: 'size', value: ({ bytes }) => formatSize(bytes), align: 'right' },
        { title: 'proof', value: ({ proof }) => (proof ? 'kept' : 'none') },
      ]),
    );
  }
  const others = (Object.keys(LEFTOVERS) as LeftoverKind[])
    .filter((kind) => leftovers[kind].objects > 0)
    .map((kind) => {
      const { objects, bytes } = leftovers[kind];
      return `${LEFTOVERS[kind]}: ${formatMany(objects, 'object')}, ${formatSize(bytes)}`;
    });
  if (others.length > 0) blocks.push(others.join('\n'));
  const did = ctx.flags.dryRun ? 'would remove' : 'removed';
  const kept =
    choice.spared.length === 0
      ? ''
      : `; ${formatMany(choice.spared.length, 'job')} ${choice.spared.length === 1 ? 'stays' : 'stay'}`;
  blocks.push(
    total.objects === 0
      ? `nothing to remove${kept}`
      : `${did} ${formatSize(total.bytes)} in ${formatMany(total.objects, 'object')}${kept}`,
  );
  return blocks.join('\n\n');
}

/** Jobs kept for a reason that a user would not expect. Open and recent jobs need no explanation. */
function warnSpared(ctx: Context, { spared }: Pruned): void {
  for (const { job, why, detail } of spared) {
    if (why === 'read') ctx.warn(`keeping ${job}: the open job ${detail} reads its outputs`);
    if (why === 'undelivered') ctx.warn(`keeping ${job}: it is not delivered to ${detail} yet (batchctl why ${job})`);
    if (why === 'unreadable') ctx.warn(`keeping ${job}: ${detail}`);
  }
}
