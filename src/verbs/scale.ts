import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { heldText, liftHold } from '../jobs/grid/boots.ts';
import { knownGroups } from '../jobs/grid/queues.ts';
import { type GroupView, viewGroups } from '../jobs/grid/sizes.ts';
import { wholeNumber } from '../lib/units.ts';
import type { ListedGroup } from '../model/answers/groups.ts';
import type { Platform } from '../ports/platform.ts';
import type { GroupChange, GroupStatus } from '../ports/worker-group.ts';
import { duration, groupName } from './job.ts';
import { field, flag, listVerb, parsedText, text, type VerbContext } from './verb.ts';

/** Facts about a group for people, in addition to its sizes. */
export interface GroupEvent {
  readonly event: 'group';
  readonly group: string;
  /** The group has no size: its workers are started one by one. */
  readonly byHand: boolean;
  /** The group is operated by hand because its Auto Scaling group doesn't exist. */
  readonly missing: boolean;
  /** Why failed boots hold it, in words. */
  readonly held: string | null;
  /** What could not be read, in words. */
  readonly unread: readonly string[];
}

/** With any of these fields the verb changes a group; without, it only displays sizes. */
const SIZES = ['n', 'min', 'max', 'auto', 'manual', 'for', 'slots'] as const;

/** Sets the size of a group, or lists the sizes of all. Throws `usage`, `refused`, `unavailable`. */
export const scale = listVerb({
  name: 'scale',
  scope: 'read',
  scopeWith: Object.fromEntries(SIZES.map((name) => [name, 'operate'] as const)),
  changes: false,
  http: { method: 'POST', path: '/groups' },
  shownAt: '/groups',
  input: v.strictObject({
    n: v.optional(field('[n]', 'number of workers; 0 drains all; without a size, shows the current sizes', text)),
    group: v.optional(field('--group <group>', 'the group (default: default; when showing: all groups)', groupName)),
    min: v.optional(field('--min <n>', 'minimum size', parsedText(wholeNumber(0)))),
    max: v.optional(field('--max <n>', 'maximum size', parsedText(wholeNumber(0)))),
    auto: v.optional(field('--auto', 'let waiting work raise the size', flag), false),
    manual: v.optional(field('--manual', 'let only people change the size', flag), false),
    for: v.optional(field('--for <duration>', 'restore the previous size after this time', duration)),
    slots: v.optional(
      field(
        '--slots <n>',
        'tasks at a time per new worker (local; on AWS use groups.*.slots)',
        parsedText(wholeNumber(1)),
      ),
    ),
  }),
  answer: async () => (await import('../model/answers/groups.ts')).LISTED_GROUP,
  async *run(context: VerbContext<GroupEvent>, { group, ...sizes }): AsyncIterable<ListedGroup> {
    const change = changeOf(sizes, context.clock.now());
    if (change !== null) {
      yield listed(await resized(context, group ?? 'default', change));
      return;
    }
    const platform = await context.platform();
    for (const seen of await viewGroups(platform, group === undefined ? await knownGroups(platform) : [group])) {
      const { byHand = false, missing = false, hold, unread } = seen;
      const held = hold === null ? null : heldText(hold);
      if (byHand || held !== null || unread.length > 0) {
        const texts = unread.map(({ message }) => message);
        context.report({ event: 'group', group: seen.group, byHand, missing, held, unread: texts });
      }
      yield listed(seen);
    }
  },
});

async function resized(context: VerbContext<GroupEvent>, name: string, change: GroupChange): Promise<GroupStatus> {
  const platform = await context.platform();
  const group = await platform.group(name);
  if (context.dryRun) return { ...(await group.describe()), ...change };
  if ((change.desired ?? 0) > 0) await lift(context, platform, name);
  return group.resize(change);
}

/** A request for instances clears the record of failed boots. */
async function lift({ notice }: Pick<VerbContext, 'notice'>, platform: Platform, group: string): Promise<void> {
  const { store, who, remote } = platform;
  if (remote !== true) return;
  if (await liftHold(store, group, who))
    notice(`group ${group} was on hold because its boots failed; it will be tried again`);
}

interface Sizes {
  readonly n?: string | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly auto: boolean;
  readonly manual: boolean;
  /** Seconds. */
  readonly for?: number | undefined;
  readonly slots?: number | undefined;
}

/** The change that the fields describe; null without any. Throws `usage`. */
function changeOf({ n, min, max, auto, manual, slots, for: seconds }: Sizes, now: number): GroupChange | null {
  if (auto && manual) throw new BatchctlError('usage', 'expected one of --auto and --manual, found both');
  if (seconds !== undefined && n === undefined) {
    throw new BatchctlError('usage', '--for requires a size', { hint: 'batchctl scale 4 --for 4h' });
  }
  const change: GroupChange = {
    ...(n === undefined ? {} : { desired: sizeOf(n), until: seconds === undefined ? null : now + seconds * 1000 }),
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

function listed(seen: GroupStatus & Partial<GroupView>): ListedGroup {
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
    held: hold && { failed: hold.failed, instance: hold.last.instance, at: isoOf(hold.last.at), line: hold.last.line },
    troubles: (troubles ?? []).map(({ code, message, at }) => ({ code, message, at: isoOf(at) })),
  };
}

const isoOf = (instant: number): string => new Date(instant).toISOString();
