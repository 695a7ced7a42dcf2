import { nullIfUnreadable } from '../../errors.ts';
import type { Backlog } from '../../model/backlog.ts';
import { groupsOf } from '../../model/job.ts';
import { GROUPS_PREFIX, groupOf, OPEN_PREFIX, parseOpenMark } from '../../model/keys.ts';
import { jobOfMessage } from '../../model/message.ts';
import type { Platform } from '../../ports/platform.ts';
import { readJob } from '../journal.ts';

/** The profile's groups; without any, those with a size, those that open jobs name, and `default`. */
export async function knownGroups({ store, groups: own }: Platform): Promise<readonly string[]> {
  if (own !== undefined) return own;
  const groups = new Set(['default']);
  for await (const { key } of store.list(GROUPS_PREFIX)) {
    const group = groupOf(key);
    if (group !== null) groups.add(group);
  }
  const jobs = new Set<string>();
  for await (const { key } of store.list(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
    if (mark !== null) jobs.add(mark.job);
  }
  for (const job of jobs) {
    // One that can't be read hides no group of another.
    const record = await readJob(store, job).catch(nullIfUnreadable);
    for (const group of groupsOf(record?.spec ?? { steps: [] })) groups.add(group);
  }
  return [...groups].sort();
}

export interface GroupBacklog extends Backlog {
  readonly group: string;
}

/** Approximate contents of each group's queue. */
export async function readBacklogs(platform: Platform, groups: readonly string[]): Promise<readonly GroupBacklog[]> {
  return Promise.all(groups.map(async (group) => ({ group, ...(await (await platform.queue(group)).backlog()) })));
}

/**
 * Whether any of the groups has a message that waits for a worker. At the end of a job, when a thousand workers check
 * and there is none, this avoids requests to Auto Scaling, whose rate limit the whole account shares. Skips a group
 * that the profile no longer has.
 */
export async function hasWaitingMessages(platform: Platform, groups: Iterable<string>): Promise<boolean> {
  for (const group of groups) {
    if (platform.groups?.includes(group) === false) continue;
    const { visible, delayed } = await (await platform.queue(group)).readCounts();
    if (visible + delayed > 0) return true;
  }
  return false;
}

/**
 * Deletes a group's waiting messages (of one job, if given); leased ones stay. Returns their number; null if the
 * service doesn't say. Nothing is lost: undecided tasks of open jobs are then missing and will be re-sent.
 */
export async function purgeQueue(platform: Platform, group: string, job: string | null): Promise<number | null> {
  const queue = await platform.queue(group);
  return await queue.purge(job === null ? {} : { match: (body) => jobOfMessage(body) === job });
}

/** Approximate number of waiting messages in all of the groups' queues. */
export async function countVisible(platform: Pick<Platform, 'queue'>, groups: Iterable<string>): Promise<number> {
  let visible = 0;
  for (const group of groups) visible += (await (await platform.queue(group)).readCounts()).visible;
  return visible;
}
