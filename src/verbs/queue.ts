import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { findJob } from '../jobs/find.ts';
import { knownGroups, purgeQueue, readBacklogs } from '../jobs/grid/queues.ts';
import { redriveGroup } from '../jobs/grid/redrive.ts';
import { parseTaskName } from '../jobs/tasks.ts';
import { confirmName } from '../lib/confirm-name.ts';
import { wholeNumber } from '../lib/units.ts';
import type { ListedQueue, PurgedAnswer, Redriven } from '../model/answers/queue.ts';
import { groupName } from './job.ts';
import { field, listVerb, parsedText, text, verb } from './verb.ts';

/** Lists the message counts of each group's queue. */
export const queue = listVerb({
  name: 'queue',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/queues' },
  input: v.strictObject({
    group: v.optional(field('--group <group>', 'only the queue of this group', groupName)),
  }),
  answer: async () => (await import('../model/answers/queue.ts')).LISTED_QUEUE,
  async *run(context, { group }): AsyncIterable<ListedQueue> {
    const platform = await context.platform();
    for (const backlog of await readBacklogs(platform, group === undefined ? await knownGroups(platform) : [group])) {
      const { visible, leased, delayed, dead, oldestSeconds } = backlog;
      yield { group: backlog.group, visible, leased, delayed, dead, oldest: oldestSeconds };
    }
  },
});

/** Sends dead letters back, group by group. Throws `notFound`, `usage`. */
export const queueRedrive = listVerb({
  name: 'queue redrive',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/redrives' },
  input: v.strictObject({
    group: v.optional(field('--group <group>', 'only dead letters of this group (default: all groups)', groupName)),
    job: v.optional(field('--job <job>', 'only those of this job', text)),
    task: v.optional(field('--task <task>', 'only those of this task, STEP/N; requires --job', text)),
    limit: v.optional(field('--limit <n>', 'send back at most this many', parsedText(wholeNumber(1)))),
  }),
  answer: async () => (await import('../model/answers/queue.ts')).REDRIVEN,
  async *run(context, { group: only, job, limit = Number.POSITIVE_INFINITY, ...asked }): AsyncIterable<Redriven> {
    if (asked.task !== undefined && job === undefined) {
      throw new BatchctlError('usage', '--task requires --job', { hint: 'add --job JOB' });
    }
    const platform = await context.platform();
    const view = job === undefined ? null : await findJob(platform, job);
    const task = view === null || asked.task === undefined ? null : parseTaskName(view, asked.task);
    const known = view === null ? await knownGroups(platform) : view.record.spec.steps.map(({ group }) => group);
    const of = { job: view?.record.job ?? null, task, dryRun: context.dryRun };
    let left = limit;
    for (const group of only === undefined ? new Set(known) : [only]) {
      if (left <= 0) break;
      const redriven = await redriveGroup(platform, { ...of, group, limit: left });
      left -= redriven.sent;
      yield redriven;
    }
  },
});

/** Reported by a dry run: the number of waiting messages in the queue, of all jobs. */
export interface PurgeEvent {
  readonly event: 'waiting';
  readonly messages: number;
}

/** Deletes the messages waiting in a group's queue. Throws `refused`, `notFound`. */
export const queuePurge = verb<PurgeEvent>()({
  name: 'queue purge',
  scope: 'operate',
  changes: true,
  http: { method: 'POST', path: '/purges' },
  input: v.strictObject({
    group: v.optional(field('--group <group>', 'the group of the queue (default: default)', groupName), 'default'),
    job: v.optional(field('--job <job>', 'only messages of this job', text)),
    confirm: v.optional(field('--confirm <group>', 'the name of the group, to confirm; --yes is not enough', text)),
  }),
  answer: async () => (await import('../model/answers/queue.ts')).PURGED,
  async run({ config, dryRun, ...context }, { group, job, confirm }): Promise<PurgedAnswer> {
    const { profile } = await config();
    if (profile.protect) {
      throw new BatchctlError('refused', `profile ${profile.name} is protected, so its queues can't be purged`, {
        hint: 'set "protect": false in its configuration first',
      });
    }
    if (!dryRun) confirmName(confirm, group, 'queue purge');
    const platform = await context.platform();
    const of = job === undefined ? null : (await findJob(platform, job)).record.job;
    if (!dryRun) return { group, job: of, purged: await purgeQueue(platform, group, of), dryRun };
    const [before] = await readBacklogs(platform, [group]);
    context.report({ event: 'waiting', messages: (before?.visible ?? 0) + (before?.delayed ?? 0) });
    return { group, job: of, purged: null, dryRun };
  },
});
