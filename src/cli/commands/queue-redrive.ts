import { BatchctlError } from '../../errors.ts';
import type { Redriven } from '../../jobs/grid/redrive.ts';
import { wholeNumber } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, groupFlag, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { print } from '../render.ts';

const TASKS = { type: 'array', items: { type: 'string' } };

export function queueRedriveCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('only dead letters of this group (default: all groups)'),
      '--job <job>': 'only those of this job',
      '--task <task>': 'only those of this task, STEP/N; requires --job',
      '--limit <n>': parsed('send back at most this many', wholeNumber(1)),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['group', 'sent', 'retried', 'left', 'dryRun'],
      properties: {
        group: { type: 'string' },
        sent: { type: 'integer', description: 'dead letters sent back to the queue' },
        retried: {
          type: 'array',
          description: 'tasks that had failed for good and were retried',
          items: {
            type: 'object',
            required: ['job', 'round', 'tasks'],
            properties: { job: { type: 'string' }, round: { type: ['integer', 'null'] }, tasks: TASKS },
          },
        },
        left: {
          type: 'array',
          description: "tasks that failed for good and can't be retried; their dead letters stay",
          items: {
            type: 'object',
            required: ['job', 'tasks', 'why'],
            properties: { job: { type: 'string' }, tasks: TASKS, why: { type: 'string' } },
          },
        },
        dryRun: { type: 'boolean', description: 'true: they would be sent back' },
      },
    },
    help: {
      about:
        'Sends dead letters back unchanged. If the task failed for good, it is retried in a new round, as with batchctl retry.',
      examples: ['batchctl queue redrive', 'batchctl queue redrive --job claims-20261130-1830-k3m5p --task price/12'],
      exitCodes: [
        [0, 'done; also if there are no dead letters'],
        [4, 'no such job or task'],
      ],
      related: ['queue', 'retry', 'failures'],
    },
    run: (input) => queueRedrive({ ctx, ...input }),
  });
}

export interface QueueRedriveOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly job: string | undefined;
  readonly task: string | undefined;
  readonly limit: number | undefined;
}

/** Sends dead letters back. Throws `notFound`, `usage`. */
export async function queueRedrive({ ctx, ...options }: QueueRedriveOptions): Promise<void> {
  const [{ knownGroups }, { parseTaskName }, { redriveGroup }, { findJob }] = await Promise.all([
    import('../../jobs/grid/queues.ts'),
    import('../../jobs/tasks.ts'),
    import('../../jobs/grid/redrive.ts'),
    import('../../jobs/find.ts'),
  ]);
  if (options.task !== undefined && options.job === undefined) {
    throw new BatchctlError('usage', '--task requires --job', { hint: 'add --job JOB' });
  }
  const platform = await ctx.platform();
  const view = options.job === undefined ? null : await findJob(platform, options.job);
  const task = view === null || options.task === undefined ? null : parseTaskName(view, options.task);
  const known = view === null ? await knownGroups(platform) : view.record.spec.steps.map(({ group }) => group);
  const { dryRun } = ctx.flags;
  let limit = options.limit ?? Number.POSITIVE_INFINITY;
  for (const group of options.group === undefined ? new Set(known) : [options.group]) {
    if (limit <= 0) break;
    const redriven = await redriveGroup(platform, { group, job: view?.record.job ?? null, task, limit, dryRun });
    limit -= redriven.sent;
    await say(ctx, redriven);
  }
}

async function say(ctx: Context, redriven: Redriven): Promise<void> {
  const { group, sent, retried, left } = redriven;
  const { dryRun } = ctx.flags;
  if (ctx.flags.json) await print(ctx, `${JSON.stringify({ ...redriven, dryRun })}\n`);
  else {
    const lines = [`group ${group}: ${dryRun ? 'would send' : 'sent'} ${counted(sent, 'dead letter')} back`];
    for (const { job, round, tasks } of retried) {
      const asked = round === null ? 'would retry' : `round ${round} retries`;
      lines.push(`${job}: ${asked} ${counted(tasks.length, 'task')} that failed for good`);
    }
    await print(ctx, `${lines.join('\n')}\n`);
  }
  for (const { job, tasks, why } of left) {
    ctx.warn(`${counted(tasks.length, 'dead letter')} of ${job} left: ${why}`);
  }
}

function counted(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}
