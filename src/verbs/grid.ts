import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { holdText, liftHold } from '../jobs/boots.ts';
import { type PlannedRedrive, planRedrive } from '../jobs/change/redrive.ts';
import { findJob } from '../jobs/find.ts';
import { knownGroups, purgeQueue, readBacklogs } from '../jobs/grid/queues.ts';
import { type GroupView, viewGroups } from '../jobs/grid/view-groups.ts';
import { findWorker, joinWorkers, orderWorker, readWorkerLogs, type WorkerRow } from '../jobs/grid/workers.ts';
import { findTask } from '../jobs/task-params.ts';
import { confirmName } from '../lib/confirm-name.ts';
import { isoOf } from '../lib/instant.ts';
import { formatMany, wholeNumberParser } from '../lib/units.ts';
import type {
  ListedGroup,
  ListedQueue,
  ListedWorker,
  PurgeAnswer,
  RedriveAnswer,
  WorkerOrderAnswer,
} from '../model/answers/grid.ts';
import type { GroupChange, GroupStatus } from '../model/group-status.ts';
import type { Platform } from '../ports/platform.ts';
import type { VerbContext } from './context.ts';
import { duration, groupName } from './job.ts';
import { changing, type FieldValues, field, flag, listVerb, option, parsedText, reading, text, verb } from './verb.ts';

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
  /** The readings that failed, in words. */
  readonly unread: readonly string[];
}

/** With any of these fields the verb changes a group; without, it only displays sizes. */
const SIZES = ['n', 'min', 'max', 'auto', 'manual', 'for', 'slots'] as const;

const SCALE = {
  n: option('[n]', 'number of workers; 0 drains all; without a size, shows the current sizes', text),
  group: option('--group <group>', 'the group (default: default; when showing: all groups)', groupName),
  min: option('--min <n>', 'minimum size', parsedText(wholeNumberParser(0))),
  max: option('--max <n>', 'maximum size', parsedText(wholeNumberParser(0))),
  auto: option('--auto', 'let waiting work raise the size', flag, false),
  manual: option('--manual', 'let only people change the size', flag, false),
  for: option('--for <duration>', 'restore the previous size after this time', duration),
  slots: option(
    '--slots <n>',
    'tasks at a time per new worker (local; on AWS use groups.*.slots)',
    parsedText(wholeNumberParser(1)),
  ),
};

/** Sets the size of a group, or lists the sizes of all. Throws `usage`, `refused`, `unavailable`. */
export const scale = listVerb({
  name: 'scale',
  scope: 'read',
  scopeWith: Object.fromEntries(SIZES.map((name) => [name, 'operate'] as const)),
  changes: false,
  http: { method: 'POST', path: '/groups' },
  shownAt: '/groups',
  input: v.strictObject(SCALE),
  answer: async () => (await import('../model/answers/grid.ts')).LISTED_GROUP,
  async *run(context: VerbContext<GroupEvent>, { group, ...sizes }): AsyncIterable<ListedGroup> {
    const change = changeOf(sizes, context.clock.now());
    if (change !== null) {
      yield listedGroup(await resizeGroup(context, group ?? 'default', change));
      return;
    }
    const platform = await context.platform();
    for (const seen of await viewGroups(platform, group === undefined ? await knownGroups(platform) : [group])) {
      const { byHand = false, missing = false, hold, unread } = seen;
      const held = hold === null ? null : holdText(hold);
      if (byHand || held !== null || unread.length > 0) {
        const texts = unread.map(({ message }) => message);
        context.report({ event: 'group', group: seen.group, byHand, missing, held, unread: texts });
      }
      yield listedGroup(seen);
    }
  },
});

async function resizeGroup(context: VerbContext<GroupEvent>, name: string, change: GroupChange): Promise<GroupStatus> {
  const platform = await context.platform();
  const group = await platform.group(name);
  if (context.dryRun) return { ...(await group.describe()), ...change };
  if ((change.desired ?? 0) > 0) await clearBootHold(context, platform, name);
  return group.resize(change);
}

/** A request for instances clears the record of failed boots. */
async function clearBootHold(
  { notice }: Pick<VerbContext, 'notice'>,
  platform: Platform,
  group: string,
): Promise<void> {
  const { store, who, workplace } = platform;
  if (!workplace.sizesGroups) return;
  if (await liftHold(store, group, who))
    notice(`group ${group} was on hold because its boots failed; it will be tried again`);
}

type Sizes = Omit<FieldValues<typeof SCALE>, 'group'>;

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
    return wholeNumberParser(0)(text);
  } catch (cause) {
    throw new BatchctlError('usage', `expected a size of 0 or more, found "${text}"`, { cause });
  }
}

function listedGroup(seen: GroupStatus & Partial<GroupView>): ListedGroup {
  const { group, desired, min, max, mode, running, until, machines, backlog, drain, troubles, hold = null } = seen;
  return {
    group,
    desired,
    min,
    max,
    mode,
    running,
    until: until === null ? null : isoOf(until),
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

export const workers = listVerb({
  name: 'workers',
  ...reading('/workers'),
  input: v.strictObject({
    group: option('--group <group>', 'only workers that serve this group', groupName),
    all: option('--all', 'also workers that exited within the last day', flag, false),
  }),
  answer: async () => (await import('../model/answers/grid.ts')).LISTED_WORKER,
  async *run(context, { group, all }): AsyncIterable<ListedWorker> {
    const { rows, unread } = await joinWorkers(await context.platform(), { group, left: all });
    yield* rows.map(listedWorker);
    for (const { group: name, error } of unread)
      context.warn(`group ${name}: can't list its instances: ${error.message}`);
  },
});

function listedWorker(row: WorkerRow): ListedWorker {
  const { machine } = row;
  const of = {
    instance: machine?.instance ?? null,
    type: machine?.type ?? null,
    zone: machine?.zone ?? null,
    lifecycle: machine?.state ?? null,
    protected: machine?.protected ?? null,
  };
  if (row.worker !== null) {
    const { startedAt, seenAt, machine: own, ...worker } = row.worker;
    return { ...worker, seen: isoOf(seenAt), since: isoOf(startedAt), ...of, denied: own?.denied ?? null };
  }
  return {
    worker: null,
    group: row.group,
    host: row.machine.instance,
    pid: null,
    version: null,
    state: row.state,
    slots: null,
    busy: [],
    done: 0,
    failed: 0,
    seen: null,
    since: isoOf(row.machine.launchedAt),
    ...of,
    denied: null,
  };
}

/** A worker's logs. Throws `notFound`. */
export const workersLogs = verb()({
  name: 'workers logs',
  ...reading('/workers/{worker}/logs'),
  input: v.strictObject({
    worker: field(
      '<worker>',
      "a worker's id or its beginning, or an instance's id, as shown by batchctl workers --all",
      text,
    ),
  }),
  answer: async () => (await import('../model/answers/grid.ts')).WORKER_LOGS,
  run: async (context, { worker }) => readWorkerLogs(await context.platform(), worker),
});

/** Orders a worker to take no more tasks, finish its own and leave. Throws `notFound`. */
export const workersDrain = orderVerb('drain', '/workers/{worker}/drains');
/** Orders a worker to return its tasks and leave. Throws `notFound`. */
export const workersStop = orderVerb('stop', '/workers/{worker}/stops');

function orderVerb(order: 'drain' | 'stop', path: string) {
  return verb()({
    name: `workers ${order}`,
    ...changing('POST', path),
    input: v.strictObject({
      worker: field(
        '<worker>',
        "a worker's id or its beginning, or its instance's id, as shown by batchctl workers",
        text,
      ),
    }),
    answer: async () => (await import('../model/answers/grid.ts')).WORKER_ORDER,
    async run({ dryRun, ...context }, { worker }): Promise<WorkerOrderAnswer> {
      const platform = await context.platform();
      const found = dryRun ? await findWorker(platform, worker) : await orderWorker(platform, worker, order);
      return { worker: found.worker, order, dryRun };
    },
  });
}

export const queue = listVerb({
  name: 'queue',
  ...reading('/queues'),
  input: v.strictObject({ group: option('--group <group>', 'only the queue of this group', groupName) }),
  answer: async () => (await import('../model/answers/grid.ts')).LISTED_QUEUE,
  async *run(context, { group }): AsyncIterable<ListedQueue> {
    const platform = await context.platform();
    for (const backlog of await readBacklogs(platform, group === undefined ? await knownGroups(platform) : [group])) {
      const { visible, leased, delayed, dead, oldestSeconds } = backlog;
      yield { group: backlog.group, visible, leased, delayed, dead, oldest: oldestSeconds };
    }
  },
});

/** Sends dead letters back, group by group, after confirmation. Throws `notFound`, `usage`, `refused`. */
export const queueRedrive = listVerb({
  name: 'queue redrive',
  ...changing('POST', '/redrives'),
  input: v.strictObject({
    group: option('--group <group>', 'only dead letters of this group (default: all groups)', groupName),
    job: option('--job <job>', 'only those of this job, also if it is closed or has a deadline', text),
    task: option(
      '--task <task>',
      'only those of this task, <step>/<n> or <step>[name=value,...]; requires --job',
      text,
    ),
    limit: option('--limit <n>', 'send back at most this many', parsedText(wholeNumberParser(1))),
  }),
  answer: async () => (await import('../model/answers/grid.ts')).REDRIVE_ANSWER,
  async *run(context, { group: only, job, limit = Number.POSITIVE_INFINITY, ...asked }): AsyncIterable<RedriveAnswer> {
    if (asked.task !== undefined && job === undefined) {
      throw new BatchctlError('usage', '--task requires --job', { hint: 'add --job JOB' });
    }
    const platform = await context.platform();
    const view = job === undefined ? null : await findJob(platform, job);
    const task = view === null || asked.task === undefined ? null : await findTask(platform.store, view, asked.task);
    const known = view === null ? await knownGroups(platform) : view.record.spec.steps.map(({ group }) => group);
    const of = { job: view?.record.job ?? null, task };
    const plans: PlannedRedrive[] = [];
    let left = limit;
    for (const group of only === undefined ? new Set(known) : [only]) {
      if (left <= 0) break;
      const plan = await planRedrive(platform, { ...of, group, limit: left });
      left -= plan.planned.sent;
      plans.push(plan);
    }
    const letters = plans.flatMap(({ planned }) => planned.jobs);
    if (!context.dryRun && letters.length > 0) await context.confirm(`send back ${lettersText(letters)}?`);
    for (const { planned, send } of plans) yield context.dryRun ? planned : await send();
  },
});

/** How many jobs a question names. */
const NAMED_JOBS = 10;

/** `2 dead letters of claims-…, 1 of no job` */
function lettersText(letters: RedriveAnswer['jobs']): string {
  const counts = new Map<string, number>();
  for (const { job, letters: more } of letters) {
    const name = job ?? 'no job';
    counts.set(name, (counts.get(name) ?? 0) + more);
  }
  const named = [...counts].slice(0, NAMED_JOBS).map(([job, count], at) => {
    return `${at === 0 ? formatMany(count, 'dead letter') : count} of ${job}`;
  });
  const rest = counts.size - named.length;
  return `${named.join(', ')}${rest === 0 ? '' : `, and those of ${formatMany(rest, 'more job')}`}`;
}

/** Reported by a dry run: the number of waiting messages in the queue, of all jobs. */
interface PurgeEvent {
  readonly event: 'waiting';
  readonly messages: number;
}

/** Deletes the messages waiting in a group's queue. Throws `refused`, `notFound`. */
export const queuePurge = verb<PurgeEvent>()({
  name: 'queue purge',
  ...changing('POST', '/purges'),
  input: v.strictObject({
    group: option('--group <group>', 'the group of the queue (default: default)', groupName, 'default'),
    job: option('--job <job>', 'only messages of this job', text),
    confirm: option('--confirm <group>', 'the name of the group, to confirm; --yes is not enough', text),
  }),
  answer: async () => (await import('../model/answers/grid.ts')).PURGE_ANSWER,
  async run({ config, dryRun, ...context }, { group, job, confirm }): Promise<PurgeAnswer> {
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
