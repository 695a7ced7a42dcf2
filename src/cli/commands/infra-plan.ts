import type { Part } from '../../infra/resource.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { withStack } from '../infra-stack.ts';
import { lackLines, ONLY, STEP_COLUMNS, STEP_OUTPUT } from '../infra-steps.ts';
import { answerList } from '../render.ts';

export function infraPlanCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: false,
    output: STEP_OUTPUT,
    help: {
      about:
        'What infra up would make or change, a line each; makes nothing. It validates all of it as infra up would. What the profile says is existing is only looked at: what it lacks is a warning with the command that mends it.',
      examples: ['batchctl infra plan', 'batchctl infra plan --only iam --json'],
      exitCodes: [
        0,
        [3, 'the configuration, or the account, is not fit for it'],
        [4, 'what is said to be existing is not'],
        [7, 'something of that name was made by someone else'],
        8,
      ],
      related: ['infra up', 'infra status', 'doctor', 'infra policies'],
    },
    run: (input) => infraPlan({ ctx, ...input }),
  });
}

export interface InfraPlanOptions {
  readonly ctx: Context;
  readonly only: Part | undefined;
}

/** Shows what `infra up` would do. */
export function infraPlan({ ctx, only }: InfraPlanOptions): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { planStack } = await import('../../infra/plan.ts');
    const { steps, warnings } = await planStack(stack, only ?? null);
    const rows = steps.map(({ step }) => step);
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to make' });
    for (const line of [...warnings, ...lackLines(rows)]) ctx.warn(line);
  });
}
