import { formatSize } from '../../lib/units.ts';
import type { LeftoverKind, PruneAnswer, PrunedJob } from '../../model/answers/data.ts';
import { prune } from '../../verbs/prune.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant, formatMany } from '../format.ts';
import { lazyProgress } from '../progress.ts';
import { printAnswer, renderTable } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function pruneCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, prune, {
    help: {
      about:
        'Removes the outputs, parts, failures and logs of closed jobs. Keeps job.json, the journal, proofs and run keys, so status, verify and history still work and a run key is not run twice. Also removes uncommitted submissions, code that no job uses, and leftovers of old workers. Keeps jobs that are open or not yet delivered, and those whose outputs an open job reads. Asks for confirmation; --yes confirms, --dry-run shows what would be removed.',
      examples: ['batchctl prune --dry-run', 'batchctl prune --older-than 90d --yes', 'batchctl prune --all'],
      exitCodes: { 0: 'removed, or there was nothing to remove', 7: 'not confirmed' },
      related: ['jobs', 'verify', 'rm', 'ledger rebuild'],
    },
    show: () => {
      const { dryRun } = ctx.flags;
      const progress = lazyProgress(ctx, dryRun ? 'counting' : 'removing');
      return {
        event: ({ objects }) => progress.update(objects, null),
        answer: async (pruned) => {
          progress.done(`${dryRun ? 'would remove' : 'removed'} ${formatMany(pruned.objects, 'object')}`);
          await printAnswer(ctx, { json: pruned, text: () => textOf(ctx, pruned) });
          warnSpared(ctx, pruned);
        },
        close: progress.failed,
      };
    },
  });
}

const LEFTOVERS: Readonly<Record<LeftoverKind, string>> = {
  submissions: 'uncommitted submissions',
  code: 'code that no job uses',
  workers: 'logs, orders and scratch files of old workers',
  keepers: 'old records of managers and ticks',
  notices: 'old records of notifications',
  marks: 'marks of retries that never started',
  tokens: 'expired tokens',
};

async function textOf(ctx: Context, { jobs, spared, leftovers, objects, bytes }: PruneAnswer): Promise<string> {
  const zone = await ctx.zone();
  const blocks: string[] = [];
  if (jobs.length > 0) {
    blocks.push(
      await renderTable<PrunedJob>(ctx, jobs, [
        { title: 'job', value: ({ job }) => job, whole: true },
        { title: 'state', value: ({ state }) => state },
        {
          title: 'closed',
          rank: 1,
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
  const stay = `; ${formatMany(spared.length, 'job')} ${spared.length === 1 ? 'stays' : 'stay'}`;
  const kept = spared.length === 0 ? '' : stay;
  blocks.push(
    objects === 0
      ? `nothing to remove${kept}`
      : `${did} ${formatSize(bytes)} in ${formatMany(objects, 'object')}${kept}`,
  );
  return blocks.join('\n\n');
}

/** Warns of jobs that were kept for a reason users would not expect. Open and recent jobs need no explanation. */
function warnSpared(ctx: Context, { spared }: PruneAnswer): void {
  for (const { job, why, detail } of spared) {
    if (why === 'read') ctx.warn(`keeping ${job}: the open job ${detail} reads its outputs`);
    if (why === 'undelivered') ctx.warn(`keeping ${job}: it is not delivered to ${detail} yet (batchctl why ${job})`);
    if (why === 'unreadable') ctx.warn(`keeping ${job}: ${detail}`);
  }
}
