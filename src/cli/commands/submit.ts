import { emptyInputs, isClosed } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { requireSaidProfile } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { openJobFile } from '../open-job-file.ts';
import { raiseWork } from '../raise-work.ts';
import { answer, print } from '../render.ts';
import { AT_FLAG, EMPTY_INPUTS, SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';
import { submitWithProgress } from '../submit-with-progress.ts';

export function submitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'job file, YAML or JSON' },
    options: {
      ...SUBMISSION_FLAGS,
      ...AT_FLAG,
      '--no-scale': "don't change the size of groups",
      '--watch': 'then watch it until it ends',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'runKey', 'created'],
      properties: {
        job: { type: 'string' },
        runKey: { type: ['string', 'null'] },
        created: { type: 'boolean' },
        emptyInputs: EMPTY_INPUTS,
      },
    },
    help: {
      about:
        'Splits the input into parts, sends a task for each, and raises the groups that run them once (those in auto mode). The same --run-key again yields the same job and sends nothing. With --quiet it prints only the id. An unattended start time or deadline requires a manager, batchctl tick from cron, or --watch.',
      examples: [
        'batchctl submit job.yaml',
        'batchctl submit job.yaml --run-key month-end-2026-11 --input claims.csv',
        'batchctl submit job.yaml --at "tomorrow 02:00"',
      ],
      exitCodes: [
        [0, 'submitted, or it already existed'],
        [3, 'the job file is invalid'],
        [4, 'an input matches nothing'],
        [
          7,
          'refused: other content under the key, a cost limit prevents it, or --at (on AWS also --finish-by, --max-cost) without a manager or tick',
        ],
      ],
      related: ['run', 'plan', 'status', 'watch', 'schedule add', 'tick', 'scale', 'worker'],
    },
    run: (input) => submit({ ctx, ...input }),
  });
}

export interface SubmitCommandOptions extends SubmissionInput {
  readonly ctx: Context;
  readonly jobfile: string;
  readonly watch: boolean;
  readonly scale: boolean;
}

/** Submits a job, and raises its groups or prints the command that works on it. */
export async function submit({ ctx, jobfile, ...input }: SubmitCommandOptions): Promise<number | undefined> {
  await requireSaidProfile(ctx);
  const spec = await openJobFile(ctx, jobfile);
  if (ctx.flags.dryRun) {
    const { planSpec } = await import('./plan.ts');
    await planSpec(ctx, spec, jobfile, input);
    return undefined;
  }
  await ctx.announce();
  const { view, created } = await submitWithProgress(ctx, spec, jobfile, { ...input, stays: input.watch });
  const { job, runKey, notBefore, inputs } = view.record;
  if (notBefore !== null && Date.parse(notBefore) > ctx.clock.now()) {
    ctx.notice(`job ${job} starts ${formatInstant(Date.parse(notBefore), await ctx.zone(), ctx.clock.now())}`);
  }
  if (input.watch) {
    if (created) await raiseWork(ctx, view, { scale: input.scale, fresh: true });
    const { watchCommand } = await import('./watch.ts');
    return watchCommand(ctx).run({ job, scale: input.scale });
  }
  if (ctx.flags.quiet && !ctx.flags.json) await print(ctx, `${job}\n`);
  else
    await answer(ctx, {
      json: { job, runKey, created, emptyInputs: emptyInputs(inputs) },
      text: `${job}${created ? '' : ' (already existed)'}`,
    });
  if (!isClosed(stateOf(view))) await raiseWork(ctx, view, { scale: input.scale, fresh: created });
  return undefined;
}
