import { ahead } from '../../lib/ahead.ts';
import type { TaskBits } from '../../model/bits.ts';
import type { Failure } from '../../model/failure.ts';
import { failedKey } from '../../model/keys.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { LedgerTask } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { type FailureFound, readFailureObject } from '../failure-object.ts';

/** One task's failure for good, as far as it is remembered. */
export interface TaskFailure extends Failure {
  readonly task: number;
  readonly worker: string | null;
  /** Milliseconds since the epoch; null when unknown. */
  readonly endedAt: number | null;
  /** It used up its attempts on at least two workers; null where that wasn't looked up. */
  readonly badInput: boolean | null;
}

const PAGE = 1_000;
const IN_FLIGHT = 32;

/**
 * What the ledger, or else the store, tells of each of a step's failed tasks, ascending: the ledger's pages and the set
 * run side by side, and an object is read only where the ledger has nothing of that task's round, and where `lookUp`
 * says that what only the object knows is wanted of one more.
 */
export async function* failuresOf(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: TaskBits,
  lookUp: () => boolean = () => false,
): AsyncGenerator<TaskFailure> {
  yield* ahead(remembered(platform, view, step, tasks), IN_FLIGHT, async ({ task, known }) => {
    if (known === null) return readFailure(platform, view, step, task);
    const found = lookUp() ? await readFailed(platform, view, step, task) : null;
    return failureIn(known, found?.badInput ?? null);
  });
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

/** A `failed/` object of the task's own round, as far as it can be read; null if it provably is gone. Throws `newer`. */
export async function readFailed(
  platform: Platform,
  view: JobView,
  step: number,
  task: number,
): Promise<FailureFound | null> {
  const name = view.record.spec.steps[step]?.name ?? '';
  return readFailureObject(platform.store, failedKey(view.record.job, name, task, roundOf(view, step, task)));
}

async function readFailure(platform: Platform, view: JobView, step: number, task: number): Promise<TaskFailure> {
  const found = await readFailed(platform, view, step, task);
  const { reason = null, exitCode = null, error = null, worker = null, endedAt = null } = found ?? {};
  return { task, reason: reason ?? 'unknown', exitCode, error, worker, endedAt, badInput: found?.badInput ?? null };
}

function failureIn(known: LedgerTask, badInput: boolean | null): TaskFailure {
  const { task, reason, exitCode, error, worker, endedAt } = known;
  return { task, reason: reason ?? 'unknown', exitCode, error, worker, endedAt, badInput };
}
