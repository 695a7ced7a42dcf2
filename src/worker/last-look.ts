import { isKind } from '../errors.ts';
import { runningViews } from '../jobs/grid/open-views.ts';
import { type GroupRaise, raiseGroups } from '../jobs/raise.ts';
import { wait } from '../lib/wait.ts';
import type { Platform } from '../ports/platform.ts';
import type { WorkerLog } from './context.ts';

/** A younger job may have messages that its queue doesn't count yet, milliseconds. */
const FRESH_MS = 300_000;

export interface LastLook {
  readonly platform: Platform;
  readonly groups: readonly string[];
  readonly log: WorkerLog;
  /** The maximum delay of a queue's count, milliseconds. */
  readonly lagMs: number;
  /** The group shrinks by this worker; false: it may shrink, or another instance replaces this one. */
  readonly tookPlace: boolean;
}

/**
 * Law 9 at a worker's end: it has left its group, which shrinks. Whoever sent work before that saw a large enough group
 * and raised nothing; and a dead worker's lease may return a task when no one looks any more. So a leaving worker looks
 * once more after it left: it sees all work sent before, and later senders see the smaller group. The last worker of a
 * group looks twice, as a queue may count late. Throws `unavailable`.
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
 * Its work, if any, has no worker. The size reported by Auto Scaling may be outdated; the caller that removed the
 * worker knows better.
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
  // This worker's next start repeats it: its instance is held until then.
  if (isKind(raised.error, 'unavailable')) throw raised.error;
  log.warn(`group ${group} was not raised: ${message}`);
}
