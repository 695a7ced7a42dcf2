import { formatDuration } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, groupFlag } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { answerList } from '../render.ts';

const COUNTS = ['visible', 'leased', 'delayed', 'dead'] as const;

export function queueCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: { '--group <group>': groupFlag('only the queue of this group') },
    writes: false,
    output: {
      type: 'object',
      required: ['group', ...COUNTS, 'oldest'],
      properties: {
        group: { type: 'string' },
        visible: { type: 'integer', description: 'messages available to workers now, approximate' },
        leased: { type: 'integer', description: 'leased by workers' },
        delayed: { type: 'integer', description: 'not yet due' },
        dead: { type: 'integer', description: 'dead letters' },
        oldest: { type: ['number', 'null'], description: 'age of the oldest waiting message, seconds' },
      },
    },
    help: {
      about: 'Counts are samples: an empty queue does not mean that a job is done. See batchctl status for that.',
      examples: ['batchctl queue', 'batchctl queue --group gpu --json'],
      exitCodes: [0],
      related: ['queue redrive', 'queue purge', 'scale', 'status'],
    },
    run: (input) => queue({ ctx, ...input }),
  });
}

export interface QueueOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
}

/** Shows the message counts of each group's queue. */
export async function queue({ ctx, group }: QueueOptions): Promise<void> {
  const [{ knownGroups }, { readBacklogs }] = await Promise.all([
    import('../../jobs/grid/queues.ts'),
    import('../../jobs/grid/queues.ts'),
  ]);
  const platform = await ctx.platform();
  const rows = await readBacklogs(platform, group === undefined ? await knownGroups(platform) : [group]);
  await answerList(ctx, {
    rows,
    json: ({ oldestSeconds, ...row }) => ({ ...row, oldest: oldestSeconds }),
    columns: [
      { title: 'group', value: (row) => row.group },
      ...COUNTS.map((count) => ({
        title: count,
        value: (row: (typeof rows)[number]) => formatCount(row[count]),
        align: 'right' as const,
      })),
      { title: 'oldest', value: (row) => (row.oldestSeconds === null ? '-' : formatDuration(row.oldestSeconds)) },
    ],
    empty: 'no queues',
  });
}
