import type { ListedWorker } from '../../model/answers/workers.ts';
import { workers, workersDrain, workersLogs, workersStop } from '../../verbs/workers.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatDistance } from '../format.ts';
import { answer, answerList, type Column } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function workersCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, workers, {
    help: {
      about:
        'Lists workers by their heartbeats, and the instances of their groups. "gone?" means that a worker missed four heartbeats without saying that it was leaving, or that its instance is gone. An instance without a worker is booting, or its boot failed; workers logs accepts its id too.',
      examples: ['batchctl workers', 'batchctl workers --group gpu', 'batchctl workers --all --json'],
      exitCodes: [[0, 'also if there are none']],
      related: ['workers logs', 'workers drain', 'workers stop', 'scale'],
    },
    show: (_, { group }) => ({
      answer: (rows) =>
        show(
          ctx,
          rows,
          group === undefined ? 'no workers; start two with batchctl scale 2' : `no workers in group ${group}`,
        ),
    }),
  });
}

async function show(ctx: Context, rows: AsyncIterable<ListedWorker>, empty: string): Promise<void> {
  const idle: ListedWorker[] = [];
  await answerList<ListedWorker>(ctx, {
    rows: noting(rows, idle),
    json: (row) => row,
    columns: (all) => columns(all, ctx.clock.now()),
    empty,
  });
  const [first] = idle;
  if (first !== undefined) ctx.notice(`an instance without a worker: batchctl workers logs ${first.instance}`);
}

/** Passes the rows through and adds the instances that should have a worker by now to `idle`. */
async function* noting(rows: AsyncIterable<ListedWorker>, idle: ListedWorker[]): AsyncIterable<ListedWorker> {
  for await (const row of rows) {
    if (row.state === 'noWorker') idle.push(row);
    yield row;
  }
}

/** The columns of workers. Columns of instances appear only if there are any. */
function columns(rows: readonly ListedWorker[], now: number): readonly Column<ListedWorker>[] {
  const instances = rows.some(({ instance }) => instance !== null);
  const ago = (instant: string | null): string => (instant === null ? '-' : formatDistance(Date.parse(instant) - now));
  const ofWorker = (row: ListedWorker, value: number | null): string => (row.worker === null ? '-' : String(value));
  return [
    { title: 'worker', value: ({ worker }) => worker ?? '-', whole: true },
    { title: 'group', value: ({ group }) => group, whole: true },
    {
      title: 'instance',
      value: ({ instance, host, pid }) => instance ?? `${host}:${pid}`,
      whole: true,
      rank: instances ? 0 : 1,
    },
    ...(instances
      ? [
          { title: 'type', value: ({ type }: ListedWorker) => type ?? '-', rank: 4 },
          { title: 'zone', value: ({ zone }: ListedWorker) => zone ?? '-', rank: 5 },
        ]
      : []),
    { title: 'version', value: ({ version }) => version ?? '-', rank: 3 },
    { title: 'state', value: stateText, tint: (row) => (isBad(row) ? 'bad' : null) },
    { title: 'slots', value: (row) => ofWorker(row, row.slots), align: 'right' },
    { title: 'busy with', value: busyText, min: 16 },
    { title: 'done', value: (row) => ofWorker(row, row.done), align: 'right' },
    { title: 'failed', value: (row) => ofWorker(row, row.failed), align: 'right' },
    { title: 'seen', value: ({ seen }) => ago(seen), rank: 2 },
    { title: 'since', value: ({ since }) => ago(since), rank: 6 },
  ];
}

function stateText({ state }: ListedWorker): string {
  if (state === 'noWorker') return 'no worker';
  return state === 'lost' ? 'gone?' : state;
}

const isBad = ({ state }: ListedWorker): boolean => state === 'noWorker' || state === 'lost';

function busyText({ busy }: ListedWorker): string {
  const [first] = busy;
  if (first === undefined) return '-';
  return busy.length === 1 ? first : `${busy.length}: ${first} ...`;
}

export function workersLogsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, workersLogs, {
    help: {
      about:
        "Prints a worker's log and boot log, also after it has exited. For an instance without a worker, prints the boot output. For the output of tasks, use batchctl logs.",
      examples: ['batchctl workers logs w-3k5m7p2q4r'],
      exitCodes: [0, [4, 'no such worker, or it has no log yet']],
      related: ['workers', 'logs'],
    },
    show: () => ({
      answer: (logs) => {
        const { boot, log } = logs;
        return answer(ctx, { json: logs, text: boot === null ? (log ?? '') : `${log ?? ''}--- boot.log ---\n${boot}` });
      },
    }),
  });
}

export function workersDrainCommand(ctx: Context): CommandDefinition {
  return orderCommand(ctx, 'drain', 'The worker takes no more tasks, finishes those it runs, and leaves its group.');
}

export function workersStopCommand(ctx: Context): CommandDefinition {
  return orderCommand(
    ctx,
    'stop',
    'The worker returns its tasks to the queue, which does not count as a failure, and leaves its group.',
  );
}

function orderCommand(ctx: Context, order: 'drain' | 'stop', about: string): CommandDefinition {
  return verbCommand(ctx, order === 'drain' ? workersDrain : workersStop, {
    help: {
      about: `${about} It reads the order at its next heartbeat.`,
      examples: [`batchctl workers ${order} w-3k5m7p2q4r`],
      exitCodes: [
        [0, 'ordered'],
        [4, 'no such worker is running'],
      ],
      related: ['workers', `workers ${order === 'drain' ? 'stop' : 'drain'}`, 'scale'],
    },
    show: () => ({
      answer: (ordered) =>
        answer(ctx, {
          json: ordered,
          text: `${ordered.dryRun ? 'would tell' : 'told'} ${ordered.worker} to ${order}; it reads the order at its next heartbeat`,
        }),
    }),
  });
}
