import type { WorkerRow } from '../../jobs/grid/workers.ts';
import { type CommandDefinition, defineCommand, groupFlag } from '../command.ts';
import type { Context } from '../context.ts';
import { formatDistance } from '../format.ts';
import { answerList, type Column } from '../render.ts';

export function workersCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: {
      '--group <group>': groupFlag('only workers that serve this group'),
      '--all': 'also workers that exited within the last day',
    },
    writes: false,
    output: WORKER_OUTPUT,
    help: {
      about:
        'Lists workers by their heartbeats, and the instances of their groups. "gone?" means that a worker missed four heartbeats without saying that it was leaving, or that its instance is gone. An instance without a worker is booting, or its boot failed; workers logs accepts its id too.',
      examples: ['batchctl workers', 'batchctl workers --group gpu', 'batchctl workers --all --json'],
      exitCodes: [[0, 'also if there are none']],
      related: ['workers logs', 'workers drain', 'workers stop', 'scale'],
    },
    run: (input) => workers({ ctx, ...input }),
  });
}

export interface WorkersOptions {
  readonly ctx: Context;
  readonly group: string | undefined;
  readonly all: boolean;
}

/** Lists workers, and machines without one. */
export async function workers({ ctx, group, all }: WorkersOptions): Promise<void> {
  const { joinWorkers } = await import('../../jobs/grid/workers.ts');
  const { rows, unread } = await joinWorkers(await ctx.platform(), { group, left: all });
  await answerList<WorkerRow>(ctx, {
    rows,
    json: workerJson,
    columns: workerColumns(rows, ctx.clock.now()),
    empty: group === undefined ? 'no workers; start two with batchctl scale 2' : `no workers in group ${group}`,
  });
  for (const { group: name, error } of unread) ctx.warn(`group ${name}: can't list its instances: ${error.message}`);
  const idle = rows.find((row) => row.worker === null && row.state === 'noWorker');
  if (idle?.machine) ctx.notice(`an instance without a worker: batchctl workers logs ${idle.machine.instance}`);
}

const OF_INSTANCE = { type: ['string', 'null'], description: 'null if the group has no instances' };

/** What `workers` answers: a line a worker, and one an instance without a worker. */
const WORKER_OUTPUT = {
  type: 'object',
  required: ['worker', 'group', 'host', 'pid', 'version', 'state', 'slots', 'busy', 'done', 'failed', 'seen', 'since'],
  properties: {
    worker: {
      type: ['string', 'null'],
      description: 'null: an instance without a worker, of which nothing else is known',
    },
    group: { type: 'string', description: 'multiple groups are separated by commas' },
    host: { type: 'string', description: 'on EC2 the id of the instance' },
    pid: { type: ['integer', 'null'] },
    version: { type: ['string', 'null'] },
    state: {
      enum: ['starting', 'idle', 'busy', 'draining', 'gone', 'lost', 'booting', 'noWorker', 'ending'],
      description:
        'lost: missed four heartbeats without saying that it was leaving, or its instance is gone; for an instance without a worker: booting, noWorker (overdue), ending',
    },
    slots: { type: ['integer', 'null'] },
    busy: { type: 'array', items: { type: 'string' }, description: 'running tasks: JOB/STEP/N, at most 64' },
    done: { type: 'integer' },
    failed: { type: 'integer', description: 'tasks that failed for good here' },
    seen: { type: ['string', 'null'], format: 'date-time' },
    since: { type: ['string', 'null'], format: 'date-time' },
    instance: OF_INSTANCE,
    type: OF_INSTANCE,
    zone: OF_INSTANCE,
    lifecycle: {
      ...OF_INSTANCE,
      description: 'the lifecycle state of its instance in the group: InService, Terminating:Wait',
    },
    protected: { type: ['boolean', 'null'], description: 'scaling in does not terminate its instance' },
  },
} as const;

function workerJson(row: WorkerRow): unknown {
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

/** The columns of workers; those of instances only where there are any. */
function workerColumns(rows: readonly WorkerRow[], now: number): readonly Column<WorkerRow>[] {
  const instances = rows.some(({ machine }) => machine !== null);
  const ago = (instant: number | null | undefined): string => (instant ? formatDistance(instant - now) : '-');
  return [
    { title: 'worker', value: ({ worker }) => worker?.worker ?? '-', min: 12 },
    { title: 'group', value: ({ group }) => group },
    { title: 'instance', value: hostText, min: 10 },
    ...(instances
      ? [
          { title: 'type', value: ({ machine }: WorkerRow) => machine?.type ?? '-' },
          { title: 'zone', value: ({ machine }: WorkerRow) => machine?.zone ?? '-' },
        ]
      : []),
    { title: 'version', value: ({ worker }) => worker?.version ?? '-' },
    { title: 'state', value: stateText, tint: (row) => (isBad(row) ? 'bad' : null) },
    { title: 'slots', value: ({ worker }) => (worker === null ? '-' : String(worker.slots)), align: 'right' },
    { title: 'busy with', value: busyText, min: 16 },
    { title: 'done', value: ({ worker }) => (worker === null ? '-' : String(worker.done)), align: 'right' },
    { title: 'failed', value: ({ worker }) => (worker === null ? '-' : String(worker.failed)), align: 'right' },
    { title: 'seen', value: ({ worker }) => ago(worker?.seenAt) },
    { title: 'since', value: (row) => ago(row.worker === null ? row.machine.launchedAt : row.worker.startedAt) },
  ];
}

function hostText(row: WorkerRow): string {
  if (row.worker === null) return row.machine.instance;
  return row.machine === null ? `${row.worker.host}:${row.worker.pid}` : row.machine.instance;
}

function stateText(row: WorkerRow): string {
  if (row.worker === null) return row.state === 'noWorker' ? 'no worker' : row.state;
  return row.worker.state === 'lost' ? 'gone?' : row.worker.state;
}

const isBad = (row: WorkerRow): boolean =>
  row.worker === null ? row.state === 'noWorker' : row.worker.state === 'lost';

function busyText({ worker }: WorkerRow): string {
  const [first] = worker?.busy ?? [];
  if (first === undefined || worker === null) return '-';
  return worker.busy.length === 1 ? first : `${worker.busy.length}: ${first} ...`;
}
