import { BatchctlError } from '../../errors.ts';
import { parseDuration } from '../../lib/units.ts';
import type { GroupChange, GroupStatus } from '../../ports/worker-group.ts';
import { type CommandDefinition, defineCommand, parsed, wholeNumber } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant } from '../format.ts';
import { groupFlag } from '../group-flag.ts';
import { answer, answerList } from '../render.ts';

export function scaleCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[n]': 'how many workers; 0 drains them all; shows the sizes unless given' },
    options: {
      '--group <group>': groupFlag('the group (default: default; to show: all)'),
      '--min <n>': parsed('never fewer', wholeNumber(0)),
      '--max <n>': parsed('never more', wholeNumber(0)),
      '--auto': 'let waiting work raise the size',
      '--manual': 'only a person changes the size',
      '--for <duration>': parsed('the size before comes back after so long', parseDuration),
      '--slots <n>': parsed('how many tasks at a time each new worker runs', wholeNumber(1)),
    },
    writes: false,
    output: {
      type: 'object',
      required: ['group', 'desired', 'min', 'max', 'mode', 'running', 'until'],
      properties: {
        group: { type: 'string' },
        desired: { type: 'integer' },
        min: { type: 'integer' },
        max: { type: 'integer' },
        mode: { enum: ['auto', 'manual'] },
        running: { type: 'integer', description: 'workers that are up, by their heartbeats' },
        until: { type: ['string', 'null'], format: 'date-time', description: 'when a temporary size ends' },
      },
    },
    help: {
      about:
        'One request for the size needed. Workers that are too many finish what they run and leave. On the local profile they are processes of this machine, kept up until the size is 0.',
      examples: ['batchctl scale', 'batchctl scale 4', 'batchctl scale 0', 'batchctl scale 8 --max 8 --for 4h --auto'],
      exitCodes: [0, [2, 'a size outside --min and --max'], [8, 'the workers could not be started']],
      related: ['workers', 'queue', 'worker'],
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
  const group = await (await ctx.platform()).group(options.group ?? 'default');
  const status = ctx.flags.dryRun ? { ...(await group.describe()), ...change } : await group.resize(change);
  const zone = await ctx.zone();
  const now = ctx.clock.now();
  const until = status.until === null ? '' : `, until ${formatInstant(status.until, zone, now)}`;
  await answer(ctx, {
    json: jsonOf(status),
    text: `group ${status.group}: ${ctx.flags.dryRun ? 'would be ' : ''}${status.desired} (${status.min} to ${status.max}, ${status.mode}${until}); ${status.running} up now`,
  });
}

/** What the flags ask for; null when they ask for nothing. Throws `usage`. */
function changeOf(options: Omit<ScaleOptions, 'ctx'>, now: number): GroupChange | null {
  const { n, min, max, auto, manual, slots } = options;
  if (auto && manual) throw new BatchctlError('usage', 'expected one of --auto and --manual, found both');
  if (options.for !== undefined && n === undefined) {
    throw new BatchctlError('usage', '--for needs a size that ends then', { hint: 'batchctl scale 4 --for 4h' });
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
    throw new BatchctlError('usage', `a size is a whole number from 0, found "${text}"`, { cause });
  }
}

async function show(ctx: Context, only: string | undefined): Promise<void> {
  const { knownGroups } = await import('../../jobs/grid/groups.ts');
  const platform = await ctx.platform();
  const names = only === undefined ? await knownGroups(platform) : [only];
  const rows = await Promise.all(names.map(async (name) => (await platform.group(name)).describe()));
  const [zone, now] = [await ctx.zone(), ctx.clock.now()];
  await answerList(ctx, {
    rows,
    json: jsonOf,
    columns: [
      { title: 'group', value: (row) => row.group },
      { title: 'desired', value: (row) => String(row.desired), align: 'right' },
      { title: 'min', value: (row) => String(row.min), align: 'right' },
      { title: 'max', value: (row) => String(row.max), align: 'right' },
      { title: 'mode', value: (row) => row.mode },
      {
        title: 'running',
        value: (row) => String(row.running),
        align: 'right',
        tint: (row) => (row.running < row.desired ? 'doubtful' : null),
      },
      { title: 'until', value: (row) => (row.until === null ? '-' : formatInstant(row.until, zone, now)) },
    ],
    empty: 'no groups',
  });
  // Nothing starts a supervisor that was killed, or ended with its machine, until somebody asks for the size again.
  for (const { group, running, desired } of rows.filter((row) => row.running < row.desired)) {
    const again = `batchctl scale ${desired} --group ${group}`;
    ctx.notice(`group ${group}: ${running} of ${desired} workers are up; if it stays so: ${again}`);
  }
}

function jsonOf({ group, desired, min, max, mode, running, until }: GroupStatus): unknown {
  return { group, desired, min, max, mode, running, until: until === null ? null : new Date(until).toISOString() };
}
