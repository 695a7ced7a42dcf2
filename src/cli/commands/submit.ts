import { emptyInputs, isClosed } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { openJobFile } from '../open-job-file.ts';
import { raiseWork } from '../raise-work.ts';
import { answer, print } from '../render.ts';
import { requireSaidProfile } from '../said-profile.ts';
import { AT_FLAG, EMPTY_INPUTS, SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';
import { submitWithProgress } from '../submit-with-progress.ts';

export function submitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'the job, YAML or JSON' },
    options: {
      ...SUBMISSION_FLAGS,
      ...AT_FLAG,
      '--no-scale': 'leave the size of groups as it is',
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
        'Cuts the input into parts and sends a task for each, and raises the groups that run them (those in auto; once). The same --run-key again is the same job, and sends nothing. With --quiet it prints the id alone. What is to begin, or to be in time, when nobody waits for it needs a keeper: batchctl tick from cron, or --watch.',
      examples: [
        'batchctl submit job.yaml',
        'batchctl submit job.yaml --run-key month-end-2026-11 --input claims.csv',
        'batchctl submit job.yaml --at "tomorrow 02:00"',
      ],
      exitCodes: [
        [0, 'submitted, or there already'],
        [3, 'the job file is not valid'],
        [4, 'an input matches nothing'],
        [
          7,
          'refused: other content under the key; a limit on cost stands against it; or --at (on AWS --finish-by, --max-cost too), and no keeper is there',
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

/** Submits a job, and raises its groups, or says which command works on it. */
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
    ctx.notice(`job ${job} begins ${formatInstant(Date.parse(notBefore), await ctx.zone(), ctx.clock.now())}`);
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
      text: `${job}${created ? '' : ' (was there already)'}`,
    });
  if (!isClosed(stateOf(view))) await raiseWork(ctx, view, { scale: input.scale, fresh: created });
  return undefined;
}
