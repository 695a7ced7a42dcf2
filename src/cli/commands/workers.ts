import type { SeenWorker } from '../../jobs/grid/workers.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatDistance } from '../format.ts';
import { groupFlag } from '../group-flag.ts';
import { answerList } from '../render.ts';

export function workersCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('only workers that serve this group'),
      '--all': 'also those that left within a day',
    },
    writes: false,
    output: {
      type: 'object',
      required: [
        'worker',
        'group',
        'host',
        'pid',
        'version',
        'state',
        'slots',
        'busy',
        'done',
        'failed',
        'seen',
        'since',
      ],
      properties: {
        worker: { type: 'string' },
        group: { type: 'string', description: 'several are separated by commas' },
        host: { type: 'string' },
        pid: { type: 'integer' },
        version: { type: 'string' },
        state: {
          enum: ['starting', 'idle', 'busy', 'draining', 'gone', 'lost'],
          description: 'lost: not seen for four heartbeats, and it did not say that it left',
        },
        slots: { type: 'integer' },
        busy: { type: 'array', items: { type: 'string' }, description: 'what it runs: JOB/STEP/N, 64 at most' },
        done: { type: 'integer' },
        failed: { type: 'integer', description: 'tasks that failed for good here' },
        seen: { type: 'string', format: 'date-time' },
        since: { type: 'string', format: 'date-time' },
      },
    },
    help: {
      about: 'Workers as their heartbeats tell. "gone?" was not seen for four heartbeats and did not say that it left.',
      examples: ['batchctl workers', 'batchctl workers --group gpu', 'batchctl workers --all --json'],
      exitCodes: [[0, 'listed, if only to say that there is none']],
      related: ['workers logs', 'workers drain', 'workers stop', 'scale'],
    },
    run: (input) => workers({ ctx, ...input }),
  });
}

export interface WorkersOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly all: boolean;
}

/** Lists workers. */
export async function workers({ ctx, group, all }: WorkersOptions): Promise<void> {
  const { listWorkers } = await import('../../jobs/grid/workers.ts');
  const rows = await listWorkers(await ctx.platform(), { group, left: all });
  const now = ctx.clock.now();
  await answerList<SeenWorker>(ctx, {
    rows,
    json: ({ startedAt, seenAt, ...row }) => ({
      ...row,
      seen: new Date(seenAt).toISOString(),
      since: new Date(startedAt).toISOString(),
    }),
    columns: [
      { title: 'worker', value: (row) => row.worker, min: 12 },
      { title: 'group', value: (row) => row.group },
      { title: 'instance', value: (row) => `${row.host}:${row.pid}` },
      { title: 'version', value: (row) => row.version },
      {
        title: 'state',
        value: (row) => (row.state === 'lost' ? 'gone?' : row.state),
        tint: (row) => (row.state === 'lost' ? 'bad' : null),
      },
      { title: 'slots', value: (row) => String(row.slots), align: 'right' },
      { title: 'busy with', value: busyText, min: 16 },
      { title: 'done', value: (row) => String(row.done), align: 'right' },
      { title: 'failed', value: (row) => String(row.failed), align: 'right' },
      { title: 'seen', value: (row) => formatDistance(row.seenAt - now) },
      { title: 'since', value: (row) => formatDistance(row.startedAt - now) },
    ],
    empty: group === undefined ? 'no workers; batchctl scale 2 starts two' : `no workers in group ${group}`,
  });
}

function busyText({ busy }: SeenWorker): string {
  const [first] = busy;
  if (first === undefined) return '-';
  return busy.length === 1 ? first : `${busy.length}: ${first} ...`;
}
