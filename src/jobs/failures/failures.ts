import { ahead } from '../../lib/ahead.ts';
import { parseStored } from '../../lib/json.ts';
import type { TaskBits } from '../../model/bits.ts';
import type { Failure, FailureRecord } from '../../model/failure.ts';
import { failedKey } from '../../model/keys.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { LedgerTask } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';

/** One task's failure for good, as far as it is remembered. */
export interface TaskFailure extends Failure {
  readonly task: number;
  readonly worker: string | null;
  /** Milliseconds since the epoch; null when unknown. */
  readonly endedAt: number | null;
}

const PAGE = 1_000;
const IN_FLIGHT = 32;

/**
 * What the ledger, or else the store, tells of each of a step's failed tasks, ascending: the ledger's pages and the set
 * run side by side, and an object is read only where the ledger has nothing of that task's round.
 */
export async function* failuresOf(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: TaskBits,
): AsyncGenerator<TaskFailure> {
  yield* ahead(remembered(platform, view, step, tasks), IN_FLIGHT, async ({ task, known }) =>
    known === null ? readFailure(platform, view, step, task) : failureIn(known),
  );
}

async function* remembered(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: TaskBits,
): AsyncGenerator<{ readonly task: number; readonly known: LedgerTask | null }> {
  const pages = failedInLedger(platform, view, step);
  let row = await pages.next();
  try {
    for (const task of tasks) {
      while (!row.done && row.value.task < task) row = await pages.next();
      const known = row.done ? null : row.value;
      const told = known?.task === task && known.round === roundOf(view, step, task);
      yield { task, known: told ? known : null };
    }
  } finally {
    await pages.return(undefined);
  }
}

async function* failedInLedger(platform: Platform, view: JobView, step: number): AsyncGenerator<LedgerTask, void> {
  const ledger = await platform.ledger();
  const name = view.record.spec.steps[step]?.name ?? '';
  for (let after = -1; ; ) {
    const page = await ledger.tasks(view.record.job, {
      ...{ step: name, states: ['failed'], limit: PAGE },
      ...(after < 0 ? {} : { after: { step: name, task: after } }),
    });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    after = last.task;
  }
}

/** A `failed/` object of the task's own round; null if it provably is gone. Throws `newer`, `corrupt`. */
export async function readFailed(
  platform: Platform,
  view: JobView,
  step: number,
  task: number,
): Promise<FailureRecord | null> {
  const name = view.record.spec.steps[step]?.name ?? '';
  const key = failedKey(view.record.job, name, task, roundOf(view, step, task));
  const bytes = await platform.store.read(key);
  return bytes === null ? null : parseStored<FailureRecord>(key, bytes);
}

async function readFailure(platform: Platform, view: JobView, step: number, task: number): Promise<TaskFailure> {
  const record = await readFailed(platform, view, step, task);
  if (record === null) return { task, reason: 'unknown', exitCode: null, error: null, worker: null, endedAt: null };
  const { exitCode, error, worker } = record;
  const endedAt = Date.parse(record.endedAt);
  return { task, reason: record.reason, exitCode, error, worker, endedAt: Number.isNaN(endedAt) ? null : endedAt };
}

function failureIn({ task, reason, exitCode, error, worker, endedAt }: LedgerTask): TaskFailure {
  return { task, reason: reason ?? 'unknown', exitCode, error, worker, endedAt };
}
