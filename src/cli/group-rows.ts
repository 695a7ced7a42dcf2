import type { Hold } from '../jobs/grid/boots.ts';
import type { GroupView } from '../jobs/grid/sizes.ts';
import { formatDuration } from '../lib/units.ts';
import { mendOfLaunch } from '../model/why/causes-workers.ts';
import type { GroupStatus } from '../ports/worker-group.ts';
import type { Context } from './context.ts';
import { formatCount, formatInstant } from './format.ts';
import type { Column } from './render.ts';

const COUNT = { type: ['integer', 'null'] };
const MACHINES = { ...COUNT, description: 'null where the group has no machines' };

/** What `scale` answers of a group. */
export const GROUP_OUTPUT = {
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
    inService: MACHINES,
    pending: MACHINES,
    terminating: MACHINES,
    protected: MACHINES,
    visible: { ...COUNT, description: 'messages that wait; null when a size was set' },
    leased: COUNT,
    delayed: COUNT,
    drain: { type: ['number', 'null'], description: 'seconds until they are done by the workers that are up' },
    held: {
      type: ['object', 'null'],
      description: 'so many boots failed in a row that none is started by itself; scale lifts it',
      required: ['failed', 'instance', 'at', 'line'],
      properties: {
        failed: { type: 'integer', description: 'boots in a row' },
        instance: { type: 'string', description: 'the last: workers logs takes it' },
        at: { type: 'string', format: 'date-time' },
        line: { type: ['string', 'null'], description: 'the last that it wrote' },
      },
    },
    troubles: {
      type: 'array',
      description: 'why the last launches failed, newest first, each reason once',
      items: {
        type: 'object',
        required: ['code', 'message', 'at'],
        properties: {
          code: {
            enum: ['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network', 'setup', 'other'],
          },
          message: { type: 'string', description: 'in the words of the service' },
          at: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
} as const;

/** Why a group is held, and what lifts that. */
export function heldText({ group, failed, last }: Hold): string {
  const what = last.line ?? last.step ?? 'its boot log says why';
  return `group ${group} is held: the last ${failed} instances could not be set up (${what}); batchctl workers logs ${last.instance}; batchctl scale 1 --group ${group} tries again`;
}

export function groupJson(seen: GroupStatus & Partial<GroupView>): unknown {
  const { group, desired, min, max, mode, running, until, machines, backlog, drain, troubles, hold = null } = seen;
  return {
    ...{ group, desired, min, max, mode, running, until: until === null ? null : isoOf(until) },
    inService: machines?.inService ?? null,
    pending: machines?.pending ?? null,
    terminating: machines?.terminating ?? null,
    protected: machines?.protected ?? null,
    visible: backlog?.visible ?? null,
    leased: backlog?.leased ?? null,
    delayed: backlog?.delayed ?? null,
    drain: drain ?? null,
    held: held(hold),
    troubles: (troubles ?? []).map(({ code, message, at }) => ({ code, message, at: isoOf(at) })),
  };
}

const held = (hold: Hold | null): unknown =>
  hold && { failed: hold.failed, instance: hold.last.instance, at: isoOf(hold.last.at), line: hold.last.line };

const isoOf = (instant: number): string => new Date(instant).toISOString();

/** The columns of groups; those of machines only where some group has any. */
export function groupColumns(rows: readonly GroupView[], zone: string, now: number): readonly Column<GroupView>[] {
  const machines = rows.some((row) => row.machines !== undefined);
  const count = (title: string, of: (row: GroupView) => number | undefined): Column<GroupView> => ({
    title,
    value: (row) => {
      const found = of(row);
      return found === undefined ? '-' : formatCount(found);
    },
    align: 'right',
  });
  return [
    { title: 'group', value: (row) => row.group },
    count('desired', (row) => row.desired),
    count('min', (row) => row.min),
    count('max', (row) => row.max),
    { title: 'mode', value: (row) => (row.byHand ? 'by hand' : row.mode) },
    ...(machines
      ? [
          count('in service', (row) => row.machines?.inService),
          count('pending', (row) => row.machines?.pending),
          count('ending', (row) => row.machines?.terminating),
          count('protected', (row) => row.machines?.protected),
        ]
      : []),
    { ...count('running', (row) => row.running), tint: (row) => (row.running < row.desired ? 'doubtful' : null) },
    count('visible', (row) => row.backlog?.visible),
    count('leased', (row) => row.backlog?.leased),
    count('delayed', (row) => row.backlog?.delayed),
    { title: 'done in', value: (row) => (row.drain === null ? '-' : formatDuration(row.drain)), align: 'right' },
    { title: 'until', value: (row) => (row.until === null ? '-' : formatInstant(row.until, zone, now)) },
  ];
}

/** What a person should know of groups that don't have what is wanted of them. */
export function tellOfGroups(ctx: Context, rows: readonly GroupView[]): void {
  for (const row of rows) {
    const { group, running, desired, machines, troubles, unread } = row;
    for (const { message } of unread) ctx.warn(`group ${group}: ${message}`);
    if (row.hold !== null) ctx.warn(heldText(row.hold));
    for (const { code, message } of troubles) {
      ctx.warn(`group ${group}: launches fail (${code}): ${message}`);
      ctx.notice(`  ${mendOfLaunch(code, group)}`);
    }
    if (row.missing) {
      const flag = group === 'default' ? '' : ` --group ${group}`;
      ctx.notice(
        `group ${group} has no Auto Scaling group: batchctl infra up makes it; until then batchctl worker --here${flag}`,
      );
    } else if (machines === undefined && !row.byHand && running < desired) {
      // Nothing starts a supervisor that was killed, or ended with its machine, until somebody asks for the size again.
      const again = `batchctl scale ${desired} --group ${group}`;
      ctx.notice(`group ${group}: ${running} of ${desired} workers are up; if it stays so: ${again}`);
    } else if (machines !== undefined && machines.inService > running + machines.pending && troubles.length === 0) {
      ctx.notice(
        `group ${group}: ${machines.inService} instances are in service, ${running} with a worker; batchctl workers --group ${group}`,
      );
    }
  }
}
