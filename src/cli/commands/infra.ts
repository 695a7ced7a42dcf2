import { BatchctlError } from '../../errors.ts';
import type { RemovalOutcome } from '../../infra/down.ts';
import { KINDS, STACK_PARTS, type StackPart } from '../../infra/resource.ts';
import type { ResourceStatus } from '../../infra/status.ts';
import { confirmName } from '../../lib/confirm-name.ts';
import { parseDuration } from '../../lib/units.ts';
import { type CommandDefinition, type CommandInput, defineCommand, objectOf, parsed } from '../command.ts';
import { confirm } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import {
  awsProfile,
  MISSING_SCHEMA,
  missingLines,
  NOTES,
  ONLY,
  STEP_COLUMNS,
  STEP_OUTPUT,
  withStack,
} from '../infra-stack.ts';
import { startProgress } from '../progress.ts';
import { type Column, printList, renderTable } from '../render.ts';

export function infraPlanCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: false,
    output: STEP_OUTPUT,
    help: {
      about:
        'Lists what infra up would create or change, one resource per line, and creates nothing. Validates everything as infra up would. Resources configured as existing are only inspected; a deficiency is a warning with the command that fixes it.',
      examples: ['batchctl infra plan', 'batchctl infra plan --only iam --json'],
      exitCodes: {
        0: true,
        3: 'the configuration or the account is unsuitable',
        4: 'a resource configured as existing does not exist',
        7: 'someone else created a resource of that name',
        8: true,
      },
      related: ['infra up', 'infra status', 'doctor', 'infra policies'],
    },
    run: ({ only }) => infraPlan(ctx, only),
  });
}

function infraPlan(ctx: Context, only: StackPart | undefined): Promise<void> {
  return withStack(ctx, async (stack) => {
    const { planStack } = await import('../../infra/plan.ts');
    const { steps, warnings } = await planStack(stack, only ?? null);
    const rows = steps.map(({ step }) => step);
    await printList(ctx, { rows, columns: STEP_COLUMNS, empty: 'nothing to create' });
    for (const line of [...warnings, ...missingLines(rows)]) ctx.warn(line);
  });
}

export function infraUpCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: true,
    output: STEP_OUTPUT,
    help: {
      about:
        "Creates the AWS resources that a profile needs, updates those it created before, and tags them all. data: the bucket (no public access, encrypted, TLS only), a queue and dead-letter queue per group, and the ledger's domains or tables. iam: roles and instance profiles. grid: the workers' bundle, security group, launch templates and Auto Scaling groups. manager: its group and address. Inspects and validates everything before it changes anything. If interrupted, run the same command to continue. Never changes resources configured as existing, or those of someone else.",
      examples: ['batchctl infra up', 'batchctl infra up --only iam --yes', 'batchctl infra up --yes --profile prod'],
      exitCodes: {
        0: true,
        3: 'the configuration or the account is unsuitable',
        4: 'a resource configured as existing does not exist',
        7: 'someone else created a resource of that name, or it was not confirmed',
        8: true,
      },
      related: ['infra plan', 'infra status', 'infra down', 'doctor', 'infra policies'],
    },
    run: ({ only }) => infraUp(ctx, only),
  });
}

function infraUp(ctx: Context, only: StackPart | undefined): Promise<void> {
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
      for (const line of missingLines(rows)) ctx.warn(line);
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
    await printList(ctx, { rows, columns: STEP_COLUMNS, empty: 'nothing to create' });
    if (!asks) for (const line of missingLines(rows)) ctx.warn(line);
  });
}

const DID = { create: 'made', change: 'changed', open: 'opened', keep: 'kept' } as const;

export function infraStatusCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: false,
    output: objectOf({
      part: { enum: STACK_PARTS, description: 'the part of the stack' },
      kind: { enum: KINDS, description: 'as in `infra plan`' },
      name: { type: 'string', description: 'its name in the account' },
      state: {
        enum: ['present', 'absent', 'differs', 'lacks', 'foreign', 'leftOver', 'unknown'],
        description:
          "present: as configured; lacks: not the stack's, and incomplete; foreign: someone else owns the name; leftOver: the stack's, but no longer configured; unknown: can't be determined before it is opened",
      },
      differences: {
        type: 'array',
        items: { type: 'string' },
        description: 'differences from the configuration',
      },
      notes: {
        ...NOTES,
        description: 'settings that a person changed and that are kept; newer versions that `infra up` would use',
      },
      lacks: MISSING_SCHEMA,
    }),
    help: {
      about:
        'Lists the resources of a stack in its account, one per line, and how they have drifted: changed by hand, missing, or left over from an earlier configuration. Changes nothing.',
      examples: ['batchctl infra status', 'batchctl infra status --only grid --json'],
      exitCodes: {
        0: 'everything is as configured',
        3: true,
        4: 'a resource configured as existing does not exist',
        8: true,
        11: 'a resource is missing, differs, is left over, or belongs to someone else',
      },
      related: ['infra plan', 'infra up', 'infra down', 'doctor'],
    },
    run: ({ only }) => infraStatus(ctx, only),
  });
}

const EXIT_FINDINGS = 11;

const STANDING_COLUMNS: readonly Column<ResourceStatus>[] = [
  { title: 'part', value: ({ part }) => part },
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'state', value: ({ state }) => (state === 'leftOver' ? 'left over' : state) },
  { title: 'differences', value: ({ differences, notes }) => [...differences, ...notes].join('; ') },
];

/** Shows the state of the stack. Returns 11 if something needs fixing. */
function infraStatus(ctx: Context, only: StackPart | undefined): Promise<number> {
  return withStack(ctx, async (stack) => {
    const { needsFix, stackStatus } = await import('../../infra/status.ts');
    const rows = await stackStatus(stack, only ?? null);
    await printList(ctx, { rows, columns: STANDING_COLUMNS, empty: 'nothing exists' });
    for (const line of missingLines(rows)) ctx.warn(line);
    return rows.some(needsFix) ? EXIT_FINDINGS : 0;
  });
}

const DOWN = {
  '--group <group>': 'remove only this group and its queue; it need not be in the configuration',
  '--timeout <duration>': parsed('how long workers may drain before they are terminated (15m)', parseDuration),
  '--delete-data': "also delete the stack's objects in all versions, its bucket and its ledger",
  '--confirm <stack>': 'the name of the stack, to confirm; --yes is not enough',
};

export function infraDownCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: DOWN,
    writes: true,
    output: objectOf({
      kind: {
        enum: [...KINDS, 'instance', 'volume', 'networkInterface', 'objects'],
        description: 'as in `infra plan`; also instance, volume, networkInterface, objects',
      },
      name: { type: 'string', description: 'its name or id' },
      outcome: {
        enum: ['removed', 'kept', 'left'],
        description:
          "kept: data, or something that is not the stack's; left: should have been removed. With --dry-run, removed means it would be",
      },
      why: { type: ['string', 'null'], description: 'why it is kept' },
    }),
    help: {
      about:
        "Removes only what infra up created: drains the workers, then removes groups, templates, security groups, addresses, roles and queues. Keeps the data (bucket and ledger) without --delete-data; in an existing bucket it removes only objects below the stack's prefix. Refuses while jobs are unfinished. If interrupted, run the same command to continue. A resource that can't be removed is left, with the resources it uses; everything else is removed, and the errors are printed at the end. At the end it asks each service what is left of the stack.",
      examples: [
        'batchctl infra down --confirm month-end',
        'batchctl infra down --confirm month-end --delete-data --timeout 1h',
        'batchctl infra down --group gpu --confirm month-end',
      ],
      exitCodes: {
        0: 'nothing is left except what was to be kept',
        3: 'removing something is denied, or the configuration is wrong',
        4: 'no such group',
        6: 'terminated instances are still there',
        7: "--confirm is not the stack's name, jobs are unfinished, or the profile is protected",
        8: true,
        11: 'something is left that should have been removed',
      },
      related: ['infra status', 'infra up', 'cancel', 'prune'],
    },
    run: (input) => infraDown(ctx, input),
  });
}

const TIMEOUT_SECONDS = 900;

const GONE_COLUMNS: readonly Column<RemovalOutcome>[] = [
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'outcome', value: ({ outcome }) => outcome },
  { title: 'why', value: ({ why }) => why ?? '' },
];

/** Takes the stack down. Returns 11 if something is left that should have been removed. Throws `refused`. */
async function infraDown(ctx: Context, input: CommandInput<typeof DOWN>): Promise<number> {
  const { group = null, timeout = TIMEOUT_SECONDS, deleteData } = input;
  const profile = await awsProfile(ctx);
  if (profile.protect) {
    throw new BatchctlError('refused', `profile ${profile.name} is protected, so its stack can't be removed`, {
      hint: 'set "protect": false in its configuration first',
    });
  }
  if (!ctx.flags.dryRun) confirmName(input.confirm, profile.stack, 'infra down');
  const what = group === null ? `the stack ${profile.stack}` : `the group ${group} of the stack ${profile.stack}`;
  return withStack(ctx, async (stack) => {
    const { failureOf, removeStack, planRemoval } = await import('../../infra/down.ts');
    const { requireNoOpenJobs } = await import('../../jobs/open-jobs.ts');
    const requireIdle = async () => requireNoOpenJobs(await ctx.platform(), group, `take ${what} down`);
    const { signal } = ctx;
    const timeoutMs = timeout * 1_000;
    const note = (text: string): void => ctx.notice(text);
    const { gone: rows, failed } = ctx.flags.dryRun
      ? { gone: await previewRemoval(), failed: [] }
      : await removeStack({ stack, group, deleteData, timeoutMs, requireIdle, note, signal });
    await printList(ctx, { rows, columns: GONE_COLUMNS, empty: `nothing exists of ${what}` });
    const failure = failureOf(failed);
    if (failure !== null) throw failure;
    const left = rows.filter(({ outcome }) => outcome === 'left');
    if (left.length > 0) {
      ctx.warn(`${left.length} resources of ${what}, listed above, are left; run the same command to try again`);
      return EXIT_FINDINGS;
    }
    if (!ctx.flags.dryRun) {
      const kept = rows.some(({ outcome }) => outcome === 'kept') ? ' except what was to be kept' : '';
      ctx.notice(`each service confirmed that nothing is left of ${what}${kept}`);
    }
    return 0;

    async function previewRemoval(): Promise<readonly RemovalOutcome[]> {
      await requireIdle();
      const { items } = await planRemoval(stack, group);
      return items.map(({ kind, name }) => {
        const isData = ['objects', 'domain', 'bucket'].includes(kind);
        return isData && !deleteData
          ? { kind, name, outcome: 'kept', why: 'data: use --delete-data to remove it' }
          : { kind, name, outcome: 'removed', why: null };
      });
    }
  });
}
