import { BatchctlError } from '../../errors.ts';
import type { Redriven } from '../../jobs/grid/redrive.ts';
import { type CommandDefinition, defineCommand, parsed, wholeNumber } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { groupFlag } from '../group-flag.ts';
import { print } from '../render.ts';

export function queueRedriveCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag("only this group's dead letters (default: all groups)"),
      '--job <job>': "only this job's",
      '--task <task>': "only this task's, STEP/N, with --job",
      '--limit <n>': parsed('at most so many', wholeNumber(1)),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['group', 'sent', 'failed', 'dryRun'],
      properties: {
        group: { type: 'string' },
        sent: { type: 'integer', description: 'dead letters that went back to the queue' },
        failed: {
          type: 'array',
          description: 'tasks that failed for good: their letters stay until retry asks for them anew',
          items: {
            type: 'object',
            required: ['job', 'tasks'],
            properties: { job: { type: 'string' }, tasks: { type: 'array', items: { type: 'string' } } },
          },
        },
        dryRun: { type: 'boolean', description: 'true: they would go back' },
      },
    },
    help: {
      about:
        'Sends dead letters back as they are. Those of tasks that failed for good stay: batchctl retry gives such tasks a new round, and the command to type is named.',
      examples: ['batchctl queue redrive', 'batchctl queue redrive --job claims-20261130-1830-k3m5p --task price/12'],
      exitCodes: [
        [0, 'done, if only to say that there is none'],
        [4, 'no such job'],
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

/** So many tasks are named in the command that retries them. */
const NAMED = 10;

/** Sends dead letters back. Throws `notFound`, `usage`. */
export async function queueRedrive({ ctx, ...options }: QueueRedriveOptions): Promise<void> {
  const [{ knownGroups }, { parseTask }, { redriveGroup }, { findJob }] = await Promise.all([
    import('../../jobs/grid/groups.ts'),
    import('../../jobs/grid/queues.ts'),
    import('../../jobs/grid/redrive.ts'),
    import('../../jobs/find.ts'),
  ]);
  if (options.task !== undefined && options.job === undefined) {
    throw new BatchctlError('usage', '--task needs the job that it is of', { hint: 'add --job JOB' });
  }
  const task = options.task === undefined ? null : parseTask(options.task);
  const platform = await ctx.platform();
  const view = options.job === undefined ? null : await findJob(platform, options.job);
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

async function say(ctx: Context, { group, sent, failed }: Redriven): Promise<void> {
  const { dryRun } = ctx.flags;
  if (ctx.flags.json) {
    const left = [...failed].map(([job, tasks]) => ({ job, tasks }));
    await print(ctx, `${JSON.stringify({ group, sent, failed: left, dryRun })}\n`);
  } else {
    const verb = dryRun ? 'would send' : 'sent';
    await print(ctx, `group ${group}: ${verb} ${formatCount(sent)} dead letter${sent === 1 ? '' : 's'} back\n`);
  }
  for (const [job, tasks] of failed) {
    const named = tasks.length > NAMED ? '' : tasks.map((task) => ` --task ${task}`).join('');
    const count = tasks.length === 1 ? '1 task' : `${formatCount(tasks.length)} tasks`;
    ctx.warn(`${count} of ${job} failed for good, and stay dead until: batchctl retry ${job}${named}`);
  }
}
