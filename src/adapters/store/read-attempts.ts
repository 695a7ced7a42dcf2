import { eachParallel } from '../../lib/parallel.ts';
import { stepsFrom } from '../../model/counts.ts';
import { groupBy } from '../../model/group-by.ts';
import type { AttemptEvent, LedgerTask } from '../../model/ledger/records.ts';
import { mergeAll, standingOf } from '../../model/ledger/transitions.ts';
import type { AttemptPage, TaskFilter } from '../../ports/ledger.ts';
import type { AttemptObjects } from './attempt-objects.ts';
import type { Snapshot } from './snapshot.ts';
import { STATE_CODES } from './task-states.ts';

/** Writers whose objects are read at once. */
const WRITERS = 8;
/** Tasks whose attempts are read at once. */
const TASKS = 1000;

export interface TaskAttempts {
  readonly merged: readonly AttemptEvent[];
  readonly byWriter: readonly (readonly AttemptEvent[])[];
}

/** The attempts of some tasks of a step. Reads only objects that may contain them. */
export async function readAttempts(
  objects: AttemptObjects,
  snapshot: Snapshot,
  at: { readonly job: string; readonly step: string },
  tasks: ReadonlySet<number>,
): Promise<ReadonlyMap<number, TaskAttempts>> {
  const found: ReadonlyMap<number, readonly AttemptEvent[]>[] = snapshot.totals.map(() => new Map());
  await eachParallel(snapshot.totals.entries(), WRITERS, async ([index, totals]) => {
    found[index] = groupBy(await objects.read(at.job, totals, at.step, tasks), ({ task }) => task);
  });
  const attempts = new Map<number, TaskAttempts>();
  for (const task of tasks) {
    const byWriter = found.flatMap((own) => {
      const events = own.get(task);
      return events === undefined ? [] : [mergeAll(events)];
    });
    if (byWriter.length > 0) attempts.set(task, { byWriter, merged: mergeAll(byWriter.flat()) });
  }
  return attempts;
}

/** One page of tasks. The sets of tasks determine which ones it holds; only their attempts are read. */
export async function readTaskPage(
  objects: AttemptObjects,
  snapshot: Snapshot,
  job: string,
  steps: readonly string[],
  filter: TaskFilter,
): Promise<readonly LedgerTask[]> {
  const { after, limit, step: only, states } = filter;
  const codes = states === undefined ? null : new Set<number>(states.map((state) => STATE_CODES[state]));
  const page: LedgerTask[] = [];
  for (const step of stepsFrom(steps, after?.step)) {
    if (only !== undefined && step !== only) continue;
    const view = snapshot.step(step);
    const isAsked = (task: number): boolean =>
      view.code(task) !== 0 && (codes === null || view.isDisputed(task) || codes.has(view.code(task)));
    for (let next = step === after?.step ? after.task + 1 : 0; next < view.end && page.length < limit; ) {
      const tasks = new Set<number>();
      for (; next < view.end && tasks.size < Math.min(TASKS, limit - page.length); next += 1)
        if (isAsked(next)) tasks.add(next);
      const attempts = await readAttempts(objects, snapshot, { job, step }, tasks);
      for (const task of tasks) {
        const found = taskOf(step, task, attempts.get(task)?.merged ?? []);
        if (found !== null && (codes === null || codes.has(STATE_CODES[found.state]))) page.push(found);
      }
    }
  }
  return page;
}

/** One page of attempts, by task, then by id. */
export async function readAttemptPage(
  objects: AttemptObjects,
  snapshot: Snapshot,
  job: string,
  steps: readonly string[],
  { after, limit }: AttemptPage,
): Promise<readonly AttemptEvent[]> {
  const page: AttemptEvent[] = [];
  for (const step of stepsFrom(steps, after?.step)) {
    const view = snapshot.step(step);
    const isAfter = ({ task, attempt }: AttemptEvent): boolean =>
      step !== after?.step || task > after.task || attempt > after.attempt;
    for (let next = step === after?.step ? after.task : 0; next < view.end && page.length < limit; ) {
      const tasks = new Set<number>();
      for (; next < view.end && tasks.size < Math.min(TASKS, limit - page.length); next += 1)
        if (view.code(next) !== 0) tasks.add(next);
      const attempts = await readAttempts(objects, snapshot, { job, step }, tasks);
      for (const task of tasks) page.push(...byId(attempts.get(task)?.merged ?? []).filter(isAfter));
    }
  }
  return page.slice(0, limit);
}

function byId(attempts: readonly AttemptEvent[]): readonly AttemptEvent[] {
  return [...attempts].sort((a, b) => (a.attempt < b.attempt ? -1 : 1));
}

type KnownTask = LedgerTask & { readonly state: keyof typeof STATE_CODES };

function taskOf(step: string, task: number, attempts: readonly AttemptEvent[]): KnownTask | null {
  if (attempts.length === 0) return null;
  const { state, round, by } = standingOf(attempts);
  return {
    step,
    task,
    state,
    round,
    attempts: attempts.length,
    worker: by?.worker ?? null,
    startedAt: by?.startedAt ?? null,
    endedAt: by?.endedAt ?? null,
    exitCode: by?.exitCode ?? null,
    reason: by?.reason ?? null,
    error: by?.error ?? null,
  };
}
