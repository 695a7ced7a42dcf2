import { BatchctlError } from '../../errors.ts';
import { parseDuration, wholeNumber } from '../../lib/units.ts';
import type { Platform } from '../../ports/platform.ts';
import type { GroupChange } from '../../ports/worker-group.ts';
import { type CommandDefinition, defineCommand, groupFlag, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { GROUP_OUTPUT, groupColumns, groupJson, tellOfGroups } from '../group-rows.ts';
import { answer, answerList } from '../render.ts';

export function scaleCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[n]': 'number of workers; 0 drains all; without a size, shows the current sizes' },
    options: {
      '--group <group>': groupFlag('the group (default: default; when showing: all groups)'),
      '--min <n>': parsed('minimum size', wholeNumber(0)),
      '--max <n>': parsed('maximum size', wholeNumber(0)),
      '--auto': 'let waiting work raise the size',
      '--manual': 'let only people change the size',
      '--for <duration>': parsed('restore the previous size after this time', parseDuration),
      '--slots <n>': parsed('tasks at a time per new worker (local; on AWS use groups.*.slots)', wholeNumber(1)),
    },
    writes: false,
    output: GROUP_OUTPUT,
    help: {
      about:
        'Makes a single request for the required size. Surplus workers finish their tasks and exit. Without a size, shows the size of each group, its backlog, and why launches fail. On AWS a worker is an instance of an Auto Scaling group; on the local profile it is a process on this machine, kept running until the size is 0.',
      examples: ['batchctl scale', 'batchctl scale 4', 'batchctl scale 0', 'batchctl scale 8 --max 8 --for 4h --auto'],
      exitCodes: [
        0,
        [2, 'the size is outside --min and --max'],
        [7, 'the group has no size; infra up has not created it'],
        [8, 'the workers could not be started'],
      ],
      related: ['workers', 'queue', 'worker', 'why', 'infra up'],
    },
    run: (input) => scale({ ctx, ...input }),
  });
}

export interface ScaleOptions {
  readonly ctx: Context;
  readonly n: string | undefined;
  readonly group: string | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly auto: boolean;
  readonly manual: boolean;
  /** Seconds. */
  readonly for: number | undefined;
  readonly slots: number | undefined;
}

/** Sets or shows sizes. Throws `usage`, `unavailable`. */
export async function scale({ ctx, ...options }: ScaleOptions): Promise<void> {
  const change = changeOf(options, ctx.clock.now());
  if (change === null) return show(ctx, options.group);
  await ctx.announce();
  const platform = await ctx.platform();
  const name = options.group ?? 'default';
  const group = await platform.group(name);
  if (!ctx.flags.dryRun && (change.desired ?? 0) > 0) await lift(ctx, platform, name);
  const status = ctx.flags.dryRun ? { ...(await group.describe()), ...change } : await group.resize(change);
  const zone = await ctx.zone();
  const now = ctx.clock.now();
  const until = status.until === null ? '' : `, until ${formatInstant(status.until, zone, now)}`;
  await answer(ctx, {
    json: groupJson(status),
    text: `group ${status.group}: ${ctx.flags.dryRun ? 'would be ' : ''}${status.desired} (${status.min} to ${status.max}, ${status.mode}${until}); ${status.running} up now`,
  });
}

/** Requesting instances implies that booting them works again. */
async function lift(ctx: Context, { store, who, remote }: Platform, group: string): Promise<void> {
  if (remote !== true) return;
  const { liftHold } = await import('../../jobs/grid/boots.ts');
  if (await liftHold(store, group, who))
    ctx.notice(`group ${group} was on hold because its boots failed; it is tried again`);
}

/** The request made by the flags; null without flags. Throws `usage`. */
function changeOf(options: Omit<ScaleOptions, 'ctx'>, now: number): GroupChange | null {
  const { n, min, max, auto, manual, slots } = options;
  if (auto && manual) throw new BatchctlError('usage', 'expected one of --auto and --manual, found both');
  if (options.for !== undefined && n === undefined) {
    throw new BatchctlError('usage', '--for requires a size', { hint: 'batchctl scale 4 --for 4h' });
  }
  const change: GroupChange = {
    ...(n === undefined
      ? {}
      : { desired: sizeOf(n), until: options.for === undefined ? null : now + options.for * 1000 }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(auto || manual ? { mode: auto ? 'auto' : 'manual' } : {}),
    ...(slots === undefined ? {} : { slots }),
  };
  return Object.keys(change).length === 0 ? null : change;
}

function sizeOf(text: string): number {
  try {
    return wholeNumber(0)(text);
  } catch (cause) {
    throw new BatchctlError('usage', `expected a size of 0 or more, found "${text}"`, { cause });
  }
}

async function show(ctx: Context, only: string | undefined): Promise<void> {
  const [{ knownGroups }, { viewGroups }] = await Promise.all([
    import('../../jobs/grid/queues.ts'),
    import('../../jobs/grid/sizes.ts'),
  ]);
  const platform = await ctx.platform();
  const rows = await viewGroups(platform, only === undefined ? await knownGroups(platform) : [only]);
  const [zone, now] = [await ctx.zone(), ctx.clock.now()];
  await answerList(ctx, { rows, json: groupJson, columns: groupColumns(rows, zone, now), empty: 'no groups' });
  tellOfGroups(ctx, rows);
}
