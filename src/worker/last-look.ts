import { isKind } from '../errors.ts';
import { runningViews } from '../jobs/grid/open-views.ts';
import { type GroupRaise, raiseGroups } from '../jobs/raise.ts';
import { wait } from '../lib/wait.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerLog } from './context.ts';

/** A job that was made so lately may have messages that its queue does not count yet, milliseconds. */
const FRESH_MS = 300_000;

export interface LastLook {
  readonly platform: Platform;
  readonly groups: readonly string[];
  readonly log: WorkerLog;
  /** So late a queue may count what was sent, milliseconds. */
  readonly lagMs: number;
  /** The group is smaller by this worker; false: it may be, or another instance comes in its place. */
  readonly tookPlace: boolean;
}

/**
 * Law 9, at a worker's end: it has left its group, and the group is smaller by it. Whoever sent work before that saw a
 * group that was large enough, and raised nothing; and a dead worker's lease brings its task back when no one looks any
 * more. So who leaves looks once more, after it left: whatever was sent before is seen here, and whoever sends later sees
 * the smaller group. The last of a group looks a second time, as a queue may count late. Throws `unavailable`.
 */
export async function lookOnceMore({ platform, groups, log, lagMs, tookPlace }: LastLook): Promise<void> {
  for (const pauseMs of [0, lagMs]) {
    await wait(pauseMs);
    const views = await runningViews(platform, ['running', 'submitted']);
    if (views.length === 0) return;
    const since = platform.clock.now() - FRESH_MS;
    const fresh = views.some(({ record }) => Date.parse(record.createdAt) > since);
    const all = await raiseGroups(platform, views, { fresh });
    for (const each of all) tell(each, log);
    if (!all.some((each) => isLeftAlone(each, groups, tookPlace))) return;
  }
}

/**
 * Its work, if there is any, has no worker. The size that Auto Scaling tells may be that of a moment ago, and who took
 * its place with it knows better.
 */
const isLeftAlone = (each: GroupRaise, groups: readonly string[], tookPlace: boolean): boolean =>
  each.outcome === 'enough' &&
  each.status.running === 0 &&
  (tookPlace || each.status.desired === 0) &&
  groups.includes(each.group);

function tell(raised: GroupRaise, log: WorkerLog): void {
  const { group, outcome } = raised;
  if (outcome === 'raised') log.info(`work waits in group ${group}: requested ${raised.status.desired} instances`);
  if (outcome !== 'failed') return;
  const { message } = raised.error;
  // Done again by this worker's next start: its machine is held until then.
  if (isKind(raised.error, 'unavailable')) throw raised.error;
  log.warn(`group ${group} was not raised: ${message}`);
}
