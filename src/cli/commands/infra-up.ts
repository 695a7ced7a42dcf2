import type { Part } from '../../infra/resource.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { withStack } from '../infra-stack.ts';
import { lackLines, ONLY, STEP_COLUMNS, STEP_OUTPUT } from '../infra-steps.ts';
import { startProgress } from '../progress.ts';
import { answerList, renderTable } from '../render.ts';

export function infraUpCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: true,
    output: STEP_OUTPUT,
    help: {
      about:
        "Creates the AWS resources that a profile needs, updates those it created before, and tags them all. data: the bucket (no public access, encrypted, TLS only), a queue and dead-letter queue per group, and the ledger's domains or tables. iam: roles and instance profiles. grid: the workers' bundle, security group, launch templates and Auto Scaling groups. manager: its group and address. Inspects and validates everything before it changes anything. If interrupted, run the same command to continue. Never changes resources configured as existing, or those of someone else.",
      examples: ['batchctl infra up', 'batchctl infra up --only iam --yes', 'batchctl infra up --yes --profile prod'],
      exitCodes: [
        0,
        [3, 'the configuration or the account is unsuitable'],
        [4, 'a resource configured as existing does not exist'],
        [7, 'someone else created a resource of that name, or it was not confirmed'],
        8,
      ],
      related: ['infra plan', 'infra status', 'infra down', 'doctor', 'infra policies'],
    },
    run: (input) => infraUp({ ctx, ...input }),
  });
}

export interface InfraUpOptions {
  readonly ctx: Context;
  readonly only: Part | undefined;
}

/** Creates what is missing, after confirmation. Returns what was done. */
export function infraUp({ ctx, only }: InfraUpOptions): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { applySteps, planStack } = await import('../../infra/plan.ts');
    const { steps, warnings } = await planStack(stack, only ?? null);
    const rows = steps.map(({ step }) => step);
    for (const line of warnings) ctx.warn(line);
    const todo = rows.filter(({ action }) => action !== 'keep');
    const asks = todo.some(({ action }) => action !== 'open') && !ctx.flags.yes && !ctx.flags.dryRun;
    if (asks) {
      // Show the plan before asking; stdout is for the result.
      const onStderr = { ...ctx, io: { ...ctx.io, stdout: ctx.io.stderr } };
      ctx.io.stderr.write(`${await renderTable(onStderr, todo, STEP_COLUMNS)}\n`);
      for (const line of lackLines(rows)) ctx.warn(line);
      await confirm(ctx, `create or change ${formatMany(todo.length, 'resource')} in account ${stack.account}?`);
    }
    if (!ctx.flags.dryRun && todo.length > 0) {
      const progress = await startProgress(ctx, 'infra up');
      let done = 0;
      try {
        await applySteps(
          steps,
          ({ kind, name, action }) => {
            done += 1;
            ctx.detail(`${DID[action]} ${kind} ${name}`);
            progress.update(done, todo.length);
          },
          ctx.signal,
        );
      } catch (error) {
        progress.failed();
        throw error;
      }
      progress.done(`${formatMany(done, 'resource')} created or changed`);
    }
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to create' });
    if (!asks) for (const line of lackLines(rows)) ctx.warn(line);
  });
}

const DID = { create: 'made', change: 'changed', open: 'opened', keep: 'kept' } as const;
