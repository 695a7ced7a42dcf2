import { formatDuration } from '../../lib/units.ts';
import type { ListedGroup } from '../../model/answers/groups.ts';
import { mendOfLaunch } from '../../model/why/causes-workers.ts';
import { type GroupEvent, scale } from '../../verbs/scale.ts';
import type { CommandDefinition, RawInput } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatInstant } from '../format.ts';
import { answer, answerList, type Column } from '../render.ts';
import { type Showing, verbCommand } from '../verb-command.ts';

export function scaleCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, scale, {
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
    show: (_, input) => showing(ctx, input),
  });
}

function showing(ctx: Context, input: RawInput): Showing<AsyncIterable<ListedGroup>, GroupEvent> {
  const told = new Map<string, GroupEvent>();
  const sized = Object.keys(scale.scopeWith ?? {}).some((name) => input[name] !== undefined && input[name] !== false);
  return {
    event: (event) => void told.set(event.group, event),
    answer: (groups) => (sized ? showChanged(ctx, groups) : showGroups(ctx, groups, told)),
  };
}

async function showChanged(ctx: Context, groups: AsyncIterable<ListedGroup>): Promise<void> {
  const zone = await ctx.zone();
  for await (const group of groups) {
    const { desired, min, max, mode, running } = group;
    const until =
      group.until === null ? '' : `, until ${formatInstant(Date.parse(group.until), zone, ctx.clock.now())}`;
    const would = ctx.flags.dryRun ? 'would be ' : '';
    await answer(ctx, {
      json: group,
      text: `group ${group.group}: ${would}${desired} (${min} to ${max}, ${mode}${until}); ${running} up now`,
    });
  }
}

type Told = ReadonlyMap<string, GroupEvent>;

async function showGroups(ctx: Context, groups: AsyncIterable<ListedGroup>, told: Told): Promise<void> {
  const zone = await ctx.zone();
  const rows: ListedGroup[] = [];
  await answerList<ListedGroup>(ctx, {
    rows: noting(groups, rows),
    json: (row) => row,
    columns: (all) => columns(all, told, { zone, now: ctx.clock.now() }),
    empty: 'no groups',
  });
  for (const row of rows) tell(ctx, row, told.get(row.group));
}

/** Passes the rows through and adds them to `rows`. */
async function* noting(groups: AsyncIterable<ListedGroup>, rows: ListedGroup[]): AsyncIterable<ListedGroup> {
  for await (const group of groups) {
    rows.push(group);
    yield group;
  }
}

/** The columns of groups. Columns of instances appear only if some group has instances. */
function columns(
  rows: readonly ListedGroup[],
  told: Told,
  { zone, now }: { readonly zone: string; readonly now: number },
): readonly Column<ListedGroup>[] {
  const machines = rows.some(hasMachines);
  const count = (title: string, of: (row: ListedGroup) => number | null): Column<ListedGroup> => ({
    title,
    value: (row) => {
      const found = of(row);
      return found === null ? '-' : formatCount(found);
    },
    align: 'right',
  });
  return [
    { title: 'group', value: (row) => row.group, whole: true },
    count('desired', (row) => row.desired),
    count('min', (row) => row.min),
    count('max', (row) => row.max),
    { title: 'mode', value: (row) => (told.get(row.group)?.byHand ? 'by hand' : row.mode) },
    ...(machines
      ? [
          count('in service', (row) => row.inService),
          { ...count('pending', (row) => row.pending), rank: 3 },
          { ...count('ending', (row) => row.terminating), rank: 4 },
          { ...count('protected', (row) => row.protected), rank: 5 },
        ]
      : []),
    { ...count('running', (row) => row.running), tint: (row) => (row.running < row.desired ? 'doubtful' : null) },
    count('visible', (row) => row.visible),
    count('leased', (row) => row.leased),
    { ...count('delayed', (row) => row.delayed), rank: 1 },
    { title: 'done in', value: (row) => (row.drain === null ? '-' : formatDuration(row.drain)), align: 'right' },
    {
      title: 'until',
      rank: 2,
      value: (row) => (row.until === null ? '-' : formatInstant(Date.parse(row.until), zone, now)),
    },
  ];
}

const hasMachines = ({ inService }: ListedGroup): boolean => inService !== null;

/** Tells people about a group that falls short of what was requested. */
function tell(ctx: Context, row: ListedGroup, told: GroupEvent | undefined): void {
  const { group, running, desired, inService, pending, troubles } = row;
  for (const message of told?.unread ?? []) ctx.warn(`group ${group}: ${message}`);
  if (told !== undefined && told.held !== null) ctx.warn(told.held);
  for (const { code, message } of troubles) {
    ctx.warn(`group ${group}: launches fail (${code}): ${message}`);
    ctx.notice(`  ${mendOfLaunch(code, group)}`);
  }
  if (told?.missing) {
    const flag = group === 'default' ? '' : ` --group ${group}`;
    ctx.notice(
      `group ${group} has no Auto Scaling group: create it with batchctl infra up; until then batchctl worker --here${flag}`,
    );
  } else if (inService === null && !told?.byHand && running < desired) {
    // A supervisor that was killed, or ended with its machine, starts again only with the next `scale`.
    const again = `batchctl scale ${desired} --group ${group}`;
    ctx.notice(`group ${group}: ${running} of ${desired} workers are up; if it stays so: ${again}`);
  } else if (inService !== null && inService > running + (pending ?? 0) && troubles.length === 0) {
    ctx.notice(
      `group ${group}: ${inService} instances are in service, ${running} with a worker; batchctl workers --group ${group}`,
    );
  }
}
