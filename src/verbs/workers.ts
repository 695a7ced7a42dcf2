import * as v from 'valibot';
import { findWorker, joinWorkers, orderWorker, readWorkerLogs, type WorkerRow } from '../jobs/grid/workers.ts';
import type { ListedWorker, WorkerOrderAnswer } from '../model/answers/workers.ts';
import { groupName } from './job.ts';
import { field, flag, listVerb, text, verb } from './verb.ts';

/** Lists workers, and instances without one. */
export const workers = listVerb({
  name: 'workers',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/workers' },
  input: v.strictObject({
    group: v.optional(field('--group <group>', 'only workers that serve this group', groupName)),
    all: v.optional(field('--all', 'also workers that exited within the last day', flag), false),
  }),
  answer: async () => (await import('../model/answers/workers.ts')).LISTED_WORKER,
  async *run(context, { group, all }): AsyncIterable<ListedWorker> {
    const { rows, unread } = await joinWorkers(await context.platform(), { group, left: all });
    yield* rows.map(listed);
    for (const { group: name, error } of unread)
      context.warn(`group ${name}: can't list its instances: ${error.message}`);
  },
});

function listed(row: WorkerRow): ListedWorker {
  const { machine } = row;
  const of = {
    instance: machine?.instance ?? null,
    type: machine?.type ?? null,
    zone: machine?.zone ?? null,
    lifecycle: machine?.state ?? null,
    protected: machine?.protected ?? null,
  };
  if (row.worker !== null) {
    const { startedAt, seenAt, ...worker } = row.worker;
    return { ...worker, seen: isoOf(seenAt), since: isoOf(startedAt), ...of };
  }
  return {
    ...{ worker: null, group: row.group, host: row.machine.instance, pid: null, version: null, state: row.state },
    ...{ slots: null, busy: [], done: 0, failed: 0, seen: null, since: isoOf(row.machine.launchedAt) },
    ...of,
  };
}

const isoOf = (instant: number | null): string | null => (instant === null ? null : new Date(instant).toISOString());

/** A worker's logs. Throws `notFound`. */
export const workersLogs = verb()({
  name: 'workers logs',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/workers/{worker}/logs' },
  input: v.strictObject({
    worker: field(
      '<worker>',
      "a worker's id or its beginning, or an instance's id, as shown by batchctl workers --all",
      text,
    ),
  }),
  answer: async () => (await import('../model/answers/workers.ts')).WORKER_LOGS,
  run: async (context, { worker }) => readWorkerLogs(await context.platform(), worker),
});

/** Orders a worker to take no more tasks, finish its own and leave. Throws `notFound`. */
export const workersDrain = orderVerb('drain', '/workers/{worker}/drains');
/** Orders a worker to return its tasks and leave. Throws `notFound`. */
export const workersStop = orderVerb('stop', '/workers/{worker}/stops');

function orderVerb(order: 'drain' | 'stop', path: string) {
  return verb()({
    name: `workers ${order}`,
    scope: 'operate',
    changes: true,
    http: { method: 'POST', path },
    input: v.strictObject({
      worker: field(
        '<worker>',
        "a worker's id or its beginning, or its instance's id, as shown by batchctl workers",
        text,
      ),
    }),
    answer: async () => (await import('../model/answers/workers.ts')).WORKER_ORDER,
    async run({ dryRun, ...context }, { worker }): Promise<WorkerOrderAnswer> {
      const platform = await context.platform();
      const found = dryRun ? await findWorker(platform, worker) : await orderWorker(platform, worker, order);
      return { worker: found.worker, order, dryRun };
    },
  });
}
