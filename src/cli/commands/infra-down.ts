import { BatchctlError } from '../../errors.ts';
import type { Gone } from '../../infra/down.ts';
import { KINDS } from '../../infra/resource.ts';
import { parseDuration } from '../../lib/units.ts';
import { awsProfile } from '../aws-profile.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import { confirmName } from '../confirm.ts';
import type { Context } from '../context.ts';
import { withStack } from '../infra-stack.ts';
import { answerList } from '../render.ts';
import type { Column } from '../render-table.ts';

export function infraDownCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': 'one group alone, with its queue; also one that the configuration names no more',
      '--timeout <duration>': parsed('how long workers may take to drain (15m); then they are ended', parseDuration),
      '--delete-data': "the stack's objects, all versions of them, its bucket and its ledger go too",
      '--confirm <stack>': "the stack's name again; --yes is not enough",
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
            "kept: data, or somebody else's; left: it should have gone. With --dry-run removed is what would be",
        },
        why: { type: ['string', 'null'] },
      },
    },
    help: {
      about:
        "Removes what infra up made, and nothing else: workers drain, then groups, templates, security groups, addresses, roles, queues go. Data stays (bucket, ledger) unless --delete-data is said; of an existing bucket only what lies below the stack's prefix ever goes. Refuses while jobs are unfinished. Cut off anywhere, the same command goes on. What is denied or fails is left with what it uses, the rest goes, and the errors are told at the end. At the end each service is asked again what it has of the stack.",
      examples: [
        'batchctl infra down --confirm batchctl',
        'batchctl infra down --confirm batchctl --delete-data --timeout 1h',
        'batchctl infra down --group gpu --confirm batchctl',
      ],
      exitCodes: [
        [0, 'nothing is left, but for what was to be kept'],
        [3, 'removing something is denied, or the configuration is wrong'],
        [4, 'nothing is known of such a group'],
        [6, 'instances that were ended are there still'],
        [7, "--confirm isn't the stack's name, jobs are unfinished, or the profile is protected"],
        8,
        [11, 'something is left that should have gone'],
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

/** Takes the stack down; answers 11 where something stays that should not. Throws `refused`. */
export async function infraDown(options: InfraDownOptions): Promise<number> {
  const { ctx, group = null, timeout = TIMEOUT, deleteData } = options;
  const profile = await awsProfile(ctx);
  if (profile.protect) {
    throw new BatchctlError('refused', `profile ${profile.name} is protected: its stack is not taken down`, {
      hint: 'set "protect": false in its configuration first',
    });
  }
  if (!ctx.flags.dryRun) confirmName(options.confirm, profile.stack, 'infra down');
  const what = group === null ? `the stack ${profile.stack}` : `the group ${group} of the stack ${profile.stack}`;
  return withStack(ctx, async (stack) => {
    const [{ failureOf, takeDown, whatGoesDown }, { requireNoneOpen }] = await Promise.all([
      import('../../infra/down.ts'),
      import('../../jobs/unfinished.ts'),
    ]);
    const requireIdle = async () => requireNoneOpen(await ctx.platform(), group, `take ${what} down`);
    const { signal } = ctx;
    const timeoutMs = timeout * 1_000;
    const note = (text: string): void => ctx.notice(text);
    const { gone: rows, failed } = ctx.flags.dryRun
      ? { gone: await wouldGo(), failed: [] }
      : await takeDown({ stack, group, deleteData, timeoutMs, requireIdle, note, signal });
    await answerList(ctx, { rows, json: (row) => row, columns: COLUMNS, empty: `there is nothing of ${what}` });
    const failure = failureOf(failed);
    if (failure !== null) throw failure;
    const left = rows.filter(({ outcome }) => outcome === 'left');
    if (left.length > 0) {
      ctx.warn(`${left.length} things of ${what} are left, named above: the same command tries again`);
      return FINDING;
    }
    if (!ctx.flags.dryRun) {
      const kept = rows.some(({ outcome }) => outcome === 'kept') ? ' but what was to be kept' : '';
      ctx.notice(`asked again, each service has nothing of ${what}${kept}`);
    }
    return 0;

    async function wouldGo(): Promise<readonly Gone[]> {
      await requireIdle();
      const { items } = await whatGoesDown(stack, group);
      return items.map(({ kind, name }) => {
        const isData = ['objects', 'domain', 'bucket'].includes(kind);
        return isData && !deleteData
          ? { kind, name, outcome: 'kept', why: 'data: --delete-data removes it' }
          : { kind, name, outcome: 'removed', why: null };
      });
    }
  });
}
