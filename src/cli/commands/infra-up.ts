import type { Part } from '../../infra/resource.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { withStack } from '../infra-stack.ts';
import { lackLines, ONLY, STEP_COLUMNS, STEP_OUTPUT } from '../infra-steps.ts';
import { answerList } from '../render.ts';
import { startProgress } from '../render-progress.ts';
import { renderTable } from '../render-table.ts';

export function infraUpCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: true,
    output: STEP_OUTPUT,
    help: {
      about:
        "Makes what a profile needs in its account, and brings into line what it made, all of it tagged. Data: bucket (no public access, encrypted, TLS only), each group's queue and that of its dead letters, the ledger's domains or tables. Iam: roles and instance profiles. Grid: the workers' bundle, security group, launch templates, Auto Scaling groups. Manager: its group, and its address. Looks at everything and validates it first. Cut off anywhere, the same command goes on. What is existing, or someone else's, is never changed.",
      examples: ['batchctl infra up', 'batchctl infra up --only iam --yes', 'batchctl infra up --yes --profile prod'],
      exitCodes: [
        0,
        [3, 'the configuration, or the account, is not fit for it'],
        [4, 'what is said to be existing is not'],
        [7, 'something of that name was made by someone else, or it was not confirmed'],
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

/** Makes what lacks, once confirmed; answers what was done. */
export function infraUp({ ctx, only }: InfraUpOptions): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { applySteps, planStack } = await import('../../infra/plan.ts');
    const { steps, warnings } = await planStack(stack, only ?? null);
    const rows = steps.map(({ step }) => step);
    for (const line of warnings) ctx.warn(line);
    const todo = rows.filter(({ action }) => action !== 'keep');
    const asks = todo.some(({ action }) => action !== 'open') && !ctx.flags.yes && !ctx.flags.dryRun;
    if (asks) {
      // What is asked about is seen first; stdout is for what was done.
      const onStderr = { ...ctx, io: { ...ctx.io, stdout: ctx.io.stderr } };
      ctx.io.stderr.write(`${await renderTable(onStderr, todo, STEP_COLUMNS)}\n`);
      for (const line of lackLines(rows)) ctx.warn(line);
      await confirm(ctx, `make or change ${formatMany(todo.length, 'resource')} in the account ${stack.account}?`);
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
      progress.done(`${formatMany(done, 'resource')} made or changed`);
    }
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to make' });
    if (!asks) for (const line of lackLines(rows)) ctx.warn(line);
  });
}

const DID = { create: 'made', change: 'changed', open: 'opened', keep: 'kept' } as const;
