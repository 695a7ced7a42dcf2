import { awsProfile } from '../aws-profile.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { lackLines, STEP_COLUMNS, STEP_OUTPUT } from '../infra-steps.ts';
import { answerList } from '../render.ts';

export function infraPlanCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: false,
    output: STEP_OUTPUT,
    help: {
      about:
        'What infra up would make or change, a line each; makes nothing. A bucket that the profile says is existing is only looked at: what it lacks is a warning with the command that mends it. This version makes the data part of a stack: bucket, queues, ledger.',
      examples: ['batchctl infra plan', 'batchctl infra plan --profile prod --json'],
      exitCodes: [
        0,
        3,
        [4, 'a bucket that is said to be existing is not'],
        [7, 'something of that name was made by someone else'],
        8,
      ],
      related: ['infra up', 'doctor', 'infra policies'],
    },
    run: () => infraPlan({ ctx }),
  });
}

export interface InfraPlanOptions {
  readonly ctx: Context;
}

/** Shows what `infra up` would do. */
export async function infraPlan({ ctx }: InfraPlanOptions): Promise<void> {
  const [profile, { openStack }, { planStack }] = await Promise.all([
    awsProfile(ctx),
    import('../../infra/open-stack.ts'),
    import('../../infra/plan.ts'),
  ]);
  const stack = await openStack(profile, async () => undefined);
  try {
    const rows = (await planStack(stack.resources)).map(({ step }) => step);
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to make' });
    for (const line of lackLines(rows)) ctx.warn(line);
  } finally {
    await stack.close();
  }
}
