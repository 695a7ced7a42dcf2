import { BatchctlError } from '../../errors.ts';
import { type CommandDefinition, defineCommand, groupFlag } from '../command.ts';
import { confirmName } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatCount } from '../format.ts';
import { answer } from '../render.ts';

export function queuePurgeCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('the group of the queue (default: default)'),
      '--job <job>': 'only messages of this job',
      '--confirm <group>': 'the name of the group, to confirm; --yes is not enough',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['group', 'job', 'purged', 'dryRun'],
      properties: {
        group: { type: 'string' },
        job: { type: ['string', 'null'] },
        purged: { type: ['integer', 'null'], description: 'deleted messages; null if unknown' },
        dryRun: { type: 'boolean', description: 'true: nothing was deleted' },
      },
    },
    help: {
      about:
        "Deletes waiting messages, but not those held by workers, nor dead letters. No task is lost: resume, a manager or tick re-sends the undecided tasks of open jobs. To end a job's work, cancel it.",
      examples: [
        'batchctl queue purge --confirm default',
        'batchctl queue purge --group gpu --job claims-20261130-1830-k3m5p --confirm gpu',
      ],
      exitCodes: [0, [4, 'no such job'], [7, "--confirm is not the group's name, or the profile is protected"]],
      related: ['queue', 'cancel', 'pause', 'resume'],
    },
    run: (input) => queuePurge({ ctx, ...input }),
  });
}

export interface QueuePurgeOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly job: string | undefined;
  readonly confirm: string | undefined;
}

/** Deletes the messages waiting in a group's queue. Throws `refused`, `notFound`. */
export async function queuePurge({ ctx, group = 'default', job, confirm }: QueuePurgeOptions): Promise<void> {
  const { profile } = await ctx.config();
  const { dryRun } = ctx.flags;
  if (profile.protect) {
    throw new BatchctlError('refused', `profile ${profile.name} is protected, so its queues can't be purged`, {
      hint: 'set "protect": false in its configuration first',
    });
  }
  if (!dryRun) confirmName(confirm, group, 'queue purge');
  const [{ purgeQueue, readBacklogs }, { findJob }] = await Promise.all([
    import('../../jobs/grid/queues.ts'),
    import('../../jobs/find.ts'),
  ]);
  const platform = await ctx.platform();
  const of = job === undefined ? null : (await findJob(platform, job)).record.job;
  const [before] = await readBacklogs(platform, [group]);
  const purged = dryRun ? null : await purgeQueue(platform, group, of);
  const waiting = (before?.visible ?? 0) + (before?.delayed ?? 0);
  const count = purged === null ? '' : `${formatCount(purged)} `;
  const whose = of === null ? '' : ` of ${of}`;
  await answer(ctx, {
    json: { group, job: of, purged, dryRun },
    text: dryRun
      ? `group ${group}: would delete messages${whose} among the ${formatCount(waiting)} waiting`
      : `group ${group}: deleted ${count}waiting message${purged === 1 ? '' : 's'}${whose}`,
  });
  ctx.notice('undecided tasks of open jobs will be re-sent by batchctl resume, a manager or batchctl tick');
}
