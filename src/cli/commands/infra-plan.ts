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
        'Lists what infra up would create or change, one resource per line, and creates nothing. Validates everything as infra up would. Resources configured as existing are only inspected; a deficiency is a warning with the command that fixes it.',
      examples: ['batchctl infra plan', 'batchctl infra plan --only iam --json'],
      exitCodes: [
        0,
        [3, 'the configuration or the account is unsuitable'],
        [4, 'a resource configured as existing does not exist'],
        [7, 'someone else created a resource of that name'],
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

export function infraPlan({ ctx, only }: InfraPlanOptions): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { planStack } = await import('../../infra/plan.ts');
    const { steps, warnings } = await planStack(stack, only ?? null);
    const rows = steps.map(({ step }) => step);
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to create' });
    for (const line of [...warnings, ...lackLines(rows)]) ctx.warn(line);
  });
}
