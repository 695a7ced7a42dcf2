import { isClosed } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { openJobFile } from '../open-job-file.ts';
import { raiseWork } from '../raise-work.ts';
import { answer, print } from '../render.ts';
import { requireSaidProfile } from '../said-profile.ts';
import { SUBMISSION_FLAGS, type SubmissionInput } from '../submission-flags.ts';
import { submitWithProgress } from '../submit-with-progress.ts';

export function submitCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<jobfile>': 'the job, YAML or JSON' },
    options: {
      ...SUBMISSION_FLAGS,
      '--no-scale': 'leave the size of groups as it is',
      '--watch': 'then watch it until it ends',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'runKey', 'created'],
      properties: { job: { type: 'string' }, runKey: { type: ['string', 'null'] }, created: { type: 'boolean' } },
    },
    help: {
      about:
        'Cuts the input into parts and sends a task for each, and raises the groups that run them (those in auto; once). The same --run-key again is the same job, and sends nothing. With --quiet it prints the id alone.',
      examples: ['batchctl submit job.yaml', 'batchctl submit job.yaml --run-key month-end-2026-11 --input claims.csv'],
      exitCodes: [
        [0, 'submitted, or there already'],
        [3, 'the job file is not valid'],
        [4, 'an input matches nothing'],
        [7, 'refused: other content under the key'],
      ],
      related: ['run', 'plan', 'status', 'watch', 'scale', 'worker'],
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
  const { view, created } = await submitWithProgress(ctx, spec, jobfile, input);
  const { job, runKey } = view.record;
  if (input.watch) {
    if (created) await raiseWork(ctx, view, { scale: input.scale, fresh: true });
    const { watch } = await import('./watch.ts');
    return watch({ ctx, job, scale: input.scale });
  }
  if (ctx.flags.quiet && !ctx.flags.json) await print(ctx, `${job}\n`);
  else await answer(ctx, { json: { job, runKey, created }, text: `${job}${created ? '' : ' (was there already)'}` });
  if (!isClosed(stateOf(view))) await raiseWork(ctx, view, { scale: input.scale, fresh: created });
  return undefined;
}
