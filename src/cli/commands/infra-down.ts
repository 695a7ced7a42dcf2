import { BatchctlError } from '../../errors.ts';
import type { Gone } from '../../infra/down.ts';
import { KINDS } from '../../infra/resource.ts';
import { confirmName } from '../../lib/confirm-name.ts';
import { parseDuration } from '../../lib/units.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { awsProfile, withStack } from '../infra-stack.ts';
import { answerList, type Column } from '../render.ts';

export function infraDownCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': 'remove only this group and its queue; it need not be in the configuration',
      '--timeout <duration>': parsed('how long workers may drain before they are terminated (15m)', parseDuration),
      '--delete-data': "also delete the stack's objects in all versions, its bucket and its ledger",
      '--confirm <stack>': 'the name of the stack, to confirm; --yes is not enough',
    },
    writes: true,
    output: {
      type: 'object',
      required: ['kind', 'name', 'outcome', 'why'],
      properties: {
        kind: { enum: [...KINDS, 'instance', 'volume', 'networkInterface', 'objects'] },
        name: { type: 'string' },
        outcome: {
          enum: ['removed', 'kept', 'left'],
          description:
            "kept: data, or something that is not the stack's; left: should have been removed. With --dry-run, removed means it would be",
        },
        why: { type: ['string', 'null'] },
      },
    },
    help: {
      about:
        "Removes only what infra up created: drains the workers, then removes groups, templates, security groups, addresses, roles and queues. Keeps the data (bucket and ledger) without --delete-data; in an existing bucket it removes only objects below the stack's prefix. Refuses while jobs are unfinished. If interrupted, run the same command to continue. Whatever is denied or fails is left, with what it uses; everything else is removed, and the errors are printed at the end. At the end it asks each service what is left of the stack.",
      examples: [
        'batchctl infra down --confirm batchctl',
        'batchctl infra down --confirm batchctl --delete-data --timeout 1h',
        'batchctl infra down --group gpu --confirm batchctl',
      ],
      exitCodes: [
        [0, 'nothing is left except what was to be kept'],
        [3, 'removing something is denied, or the configuration is wrong'],
        [4, 'no such group'],
        [6, 'terminated instances are still there'],
        [7, "--confirm is not the stack's name, jobs are unfinished, or the profile is protected"],
        8,
        [11, 'something is left that should have been removed'],
      ],
      related: ['infra status', 'infra up', 'cancel', 'prune'],
    },
    run: (input) => infraDown({ ctx, ...input }),
  });
}

export interface InfraDownOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly timeout: number | undefined;
  readonly deleteData: boolean;
  readonly confirm: string | undefined;
}

/** Seconds. */
const TIMEOUT = 900;
const FINDING = 11;

const COLUMNS: readonly Column<Gone>[] = [
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'outcome', value: ({ outcome }) => outcome },
  { title: 'why', value: ({ why }) => why ?? '' },
];

/** Takes the stack down. Returns 11 if something is left that should have been removed. Throws `refused`. */
export async function infraDown(options: InfraDownOptions): Promise<number> {
  const { ctx, group = null, timeout = TIMEOUT, deleteData } = options;
  const profile = await awsProfile(ctx);
  if (profile.protect) {
    throw new BatchctlError('refused', `profile ${profile.name} is protected, so its stack can't be removed`, {
      hint: 'set "protect": false in its configuration first',
    });
  }
  if (!ctx.flags.dryRun) confirmName(options.confirm, profile.stack, 'infra down');
  const what = group === null ? `the stack ${profile.stack}` : `the group ${group} of the stack ${profile.stack}`;
  return withStack(ctx, async (stack) => {
    const [{ failureOf, takeDown, whatGoesDown }, { requireNoneOpen }] = await Promise.all([
      import('../../infra/down.ts'),
      import('../../jobs/prune/open-jobs.ts'),
    ]);
    const requireIdle = async () => requireNoneOpen(await ctx.platform(), group, `take ${what} down`);
    const { signal } = ctx;
    const timeoutMs = timeout * 1_000;
    const note = (text: string): void => ctx.notice(text);
    const { gone: rows, failed } = ctx.flags.dryRun
      ? { gone: await wouldGo(), failed: [] }
      : await takeDown({ stack, group, deleteData, timeoutMs, requireIdle, note, signal });
    await answerList(ctx, { rows, json: (row) => row, columns: COLUMNS, empty: `nothing exists of ${what}` });
    const failure = failureOf(failed);
    if (failure !== null) throw failure;
    const left = rows.filter(({ outcome }) => outcome === 'left');
    if (left.length > 0) {
      ctx.warn(`${left.length} resources of ${what}, listed above, are left; run the same command to try again`);
      return FINDING;
    }
    if (!ctx.flags.dryRun) {
      const kept = rows.some(({ outcome }) => outcome === 'kept') ? ' except what was to be kept' : '';
      ctx.notice(`each service confirmed that nothing is left of ${what}${kept}`);
    }
    return 0;

    async function wouldGo(): Promise<readonly Gone[]> {
      await requireIdle();
      const { items } = await whatGoesDown(stack, group);
      return items.map(({ kind, name }) => {
        const isData = ['objects', 'domain', 'bucket'].includes(kind);
        return isData && !deleteData
          ? { kind, name, outcome: 'kept', why: 'data: use --delete-data to remove it' }
          : { kind, name, outcome: 'removed', why: null };
      });
    }
  });
}
