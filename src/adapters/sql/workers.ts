import type { Kysely } from 'kysely';
import type { LedgerWorker, WorkerMachine, WorkerState } from '../../ports/ledger.ts';
import type { RecordContext } from './counts.ts';
import type { UpsertPlan } from './dialect.ts';
import type { Tables, WorkerRow } from './tables.ts';

const WORKERS: UpsertPlan = {
  table: 'workers',
  columns: [
    'worker',
    'group_name',
    'host',
    'pid',
    'version',
    'state',
    'slots',
    'busy',
    'done',
    'failed',
    'started_at',
    'seen_at',
    'memory',
    'disk',
    'machine',
    'spent',
  ],
  keys: ['worker'],
};

/** Stores a worker's heartbeat, unless a later one is known. */
export async function writeWorker(context: RecordContext, worker: LedgerWorker): Promise<void> {
  const { transaction, statements } = context;
  const known = await transaction
    .selectFrom('workers')
    .select('seen_at')
    .where('worker', '=', worker.worker)
    .$if(context.locks !== undefined, (query) => query.forUpdate())
    .executeTakeFirst();
  if (known !== undefined && Number(known.seen_at) > worker.seenAt) return;
  await statements.upsert(transaction, WORKERS, [
    [
      worker.worker,
      worker.group,
      worker.host,
      worker.pid,
      worker.version,
      worker.state,
      worker.slots,
      JSON.stringify(worker.busy),
      worker.done,
      worker.failed,
      worker.startedAt,
      worker.seenAt,
      worker.memory ?? null,
      worker.disk ?? null,
      jsonOf(worker.machine),
      jsonOf(worker.spent),
    ],
  ]);
}

export async function readWorkers(
  db: Kysely<Tables>,
  filter: { readonly group?: string; readonly since?: number },
): Promise<readonly LedgerWorker[]> {
  let query = db.selectFrom('workers').selectAll();
  if (filter.group !== undefined) query = query.where('group_name', '=', filter.group);
  if (filter.since !== undefined) query = query.where('seen_at', '>=', filter.since);
  const rows = await query.orderBy('seen_at', 'desc').orderBy('worker').execute();
  return rows.map(workerOf);
}

function workerOf(row: WorkerRow): LedgerWorker {
  return {
    worker: row.worker,
    group: row.group_name,
    host: row.host,
    pid: row.pid,
    version: row.version,
    state: row.state as WorkerState,
    slots: row.slots,
    busy: JSON.parse(row.busy) as string[],
    done: Number(row.done),
    failed: Number(row.failed),
    startedAt: Number(row.started_at),
    seenAt: Number(row.seen_at),
    ...(row.memory === null ? {} : { memory: Number(row.memory) }),
    ...(row.disk === null ? {} : { disk: Number(row.disk) }),
    ...(row.machine === null ? {} : { machine: JSON.parse(row.machine) as WorkerMachine }),
    ...(row.spent === null ? {} : { spent: JSON.parse(row.spent) as Record<string, number> }),
  };
}

const jsonOf = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));
