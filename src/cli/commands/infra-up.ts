import { awsProfile } from '../aws-profile.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { lackLines, STEP_COLUMNS, STEP_OUTPUT } from '../infra-steps.ts';
import { answerList } from '../render.ts';

export function infraUpCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: true,
    output: STEP_OUTPUT,
    help: {
      about:
        "Makes what a profile needs in its account, and brings into line what it made: bucket (no public access, encrypted, TLS only), each group's queue and that of its dead letters, the ledger's domains or tables; all of it tagged. Looks at everything first. Cut off anywhere, the same command goes on. What is existing, or someone else's, is never changed. Roles and instances are not made by this version: infra policies prints what a role needs, and worker --here works on any machine.",
      examples: ['batchctl infra up', 'batchctl infra up --yes --profile prod'],
      exitCodes: [
        0,
        3,
        [4, 'a bucket that is said to be existing is not'],
        [7, 'something of that name was made by someone else, or it was not confirmed'],
        8,
      ],
      related: ['infra plan', 'doctor', 'infra policies', 'worker'],
    },
    run: () => infraUp({ ctx }),
  });
}

export interface InfraUpOptions {
  readonly ctx: Context;
}

/** Makes what lacks, once confirmed; answers what was done. */
export async function infraUp({ ctx }: InfraUpOptions): Promise<void> {
  const [profile, { openStack }, { applySteps, planStack }] = await Promise.all([
    awsProfile(ctx),
    import('../../infra/open-stack.ts'),
    import('../../infra/plan.ts'),
  ]);
  const stack = await openStack(profile, async () => (await ctx.platform()).ledger());
  try {
    const steps = await planStack(stack.resources);
    const rows = steps.map(({ step }) => step);
    const todo = rows.filter(({ action }) => action !== 'keep');
    const { dryRun } = ctx.flags;
    if (todo.some(({ action }) => action !== 'open')) {
      await confirm(ctx, `make or change ${formatMany(todo.length, 'resource')} in the account ${stack.account}?`);
    }
    if (!dryRun) await applySteps(steps, ({ kind, name, action }) => ctx.notice(`${DID[action]} ${kind} ${name}`));
    await answerList(ctx, { rows, json: (row) => row, columns: STEP_COLUMNS, empty: 'nothing to make' });
    for (const line of lackLines(rows)) ctx.warn(line);
  } finally {
    await stack.close();
  }
}

const DID = { create: 'made', change: 'changed', open: 'opened', keep: 'kept' } as const;
