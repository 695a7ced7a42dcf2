import { CompiledQuery, sql } from 'kysely';
import type { AttemptEvent } from '../../model/ledger/records.ts';
import {
  addOutcome,
  addTransition,
  type Delta,
  emptyDelta,
  mergeAttempt,
  standingOf,
} from '../../model/ledger/transitions.ts';
import { addCounts, countedRounds, type RecordContext } from './counts.ts';
import type { UpsertPlan } from './dialect.ts';
import { ATTEMPT_COLUMNS, type AttemptRow, attemptOf, attemptRow, type Row, taskRow } from './tables.ts';

const ATTEMPTS: UpsertPlan = { table: 'attempts', keys: ['job', 'step', 'task', 'attempt'] };
const TASKS: UpsertPlan = { table: 'tasks', keys: ['job', 'step', 'task'] };
/** Tasks per lookup. A shorter list is padded with its last task, so that few statements are compiled. */
const LOOKUPS = [1, 8, 64, 512] as const;

/** One group of events: those of a step, by task. */
interface StepEvents {
  readonly job: string;
  readonly step: string;
  readonly tasks: Map<number, AttemptEvent[]>;
}

/** Records events in the caller's transaction: reads the known state of their tasks, and writes the changes. */
export async function recordEvents(context: RecordContext, events: readonly AttemptEvent[]): Promise<void> {
  const groups = groupByStep(events);
  const pruned = await lockAndReadPruned(context, groups);
  for (const group of groups) if (!pruned.has(group.job)) await recordStep(context, group);
}

function groupByStep(events: readonly AttemptEvent[]): StepEvents[] {
  const groups = new Map<string, StepEvents>();
  for (const event of events) {
    const key = `${event.job}/${event.step}`;
    let group = groups.get(key);
    if (group === undefined) {
      group = { job: event.job, step: event.step, tasks: new Map() };
      groups.set(key, group);
    }
    const known = group.tasks.get(event.task);
    if (known === undefined) group.tasks.set(event.task, [event]);
    else known.push(event);
  }
  return [...groups].sort(byKey).map(([, group]) => ({ ...group, tasks: new Map([...group.tasks].sort(byKey)) }));
}

/** All writers lock and write in one order, so that no deadlock is possible. */
function byKey<K extends string | number>([a]: readonly [K, unknown], [b]: readonly [K, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A forgotten job stays forgotten: a late event doesn't bring its tasks back. */
async function lockAndReadPruned(context: RecordContext, groups: readonly StepEvents[]): Promise<ReadonlySet<string>> {
  const text = context.statements.text('pruned', () => sql`select job from jobs where job = ${''} and pruned = 1`);
  const pruned = new Set<string>();
  for (const job of new Set(groups.map((group) => group.job))) {
    await context.locks?.job(context.transaction, job, 'shared');
    const { rows } = await context.transaction.executeQuery(CompiledQuery.raw(text, [job]));
    if (rows.length > 0) pruned.add(job);
  }
  return pruned;
}

async function recordStep(context: RecordContext, group: StepEvents): Promise<void> {
  const { transaction, statements, locks } = context;
  const locked = locks === undefined ? undefined : await lockTasks(context, group);
  const known = await knownAttempts(context, group);
  const rounds = await countedRounds(context, group);
  const delta = emptyDelta();
  const attemptRows: Row[] = [];
  const taskRows: Row[] = [];
  const newRows: Row[] = [];
  for (const [task, events] of group.tasks) {
    const attempts = known.get(task) ?? new Map<string, AttemptEvent>();
    const before = standingOf(attempts.values());
    const changed = mergeEvents(attempts, events, delta, rounds.exact);
    if (changed.length === 0) continue;
    const after = standingOf(attempts.values());
    addTransition(delta, before, after, rounds.exact);
    attemptRows.push(...changed.map(attemptRow));
    const rows = locked === undefined || locked.has(task) ? taskRows : newRows;
    rows.push(taskRow(group.job, group.step, task, after));
  }
  if (attemptRows.length === 0) return;
  // Another writer may have created the same new task: then this fails, and the transaction runs again and finds it.
  await statements.insert(transaction, TASKS, newRows);
  await statements.upsert(transaction, TASKS, taskRows);
  await statements.upsert(transaction, ATTEMPTS, attemptRows);
  if (delta.counted) await addCounts(context, group, delta, rounds.own);
}

/** Merges a task's events into its attempts and returns those that changed; adds their outcomes to `delta`. */
function mergeEvents(
  attempts: Map<string, AttemptEvent>,
  events: readonly AttemptEvent[],
  delta: Delta,
  exactRound: number,
): AttemptEvent[] {
  const before = new Map<string, AttemptEvent | undefined>();
  for (const event of events) {
    const old = attempts.get(event.attempt);
    const merged = mergeAttempt(old, event);
    if (merged === old) continue;
    if (!before.has(event.attempt)) before.set(event.attempt, old);
    attempts.set(event.attempt, merged);
  }
  const changed: AttemptEvent[] = [];
  for (const [id, old] of before) {
    const merged = attempts.get(id);
    if (merged === undefined) continue;
    addOutcome(delta, old, merged, exactRound);
    changed.push(merged);
  }
  return changed;
}

async function lockTasks(context: RecordContext, group: StepEvents): Promise<ReadonlySet<number>> {
  const rows = await lookUp<{ task: number }>(context, group, 'tasks', ['task'], true);
  return new Set(rows.map(({ task }) => task));
}

/** Every recorded attempt of the group's tasks, by task and id. */
async function knownAttempts(
  context: RecordContext,
  group: StepEvents,
): Promise<Map<number, Map<string, AttemptEvent>>> {
  const known = new Map<number, Map<string, AttemptEvent>>();
  for (const row of await lookUp<AttemptRow>(context, group, 'attempts', ATTEMPT_COLUMNS, false)) {
    const attempt = attemptOf(row, row.job, row.step);
    const ofTask = known.get(attempt.task);
    if (ofTask === undefined) known.set(attempt.task, new Map([[attempt.attempt, attempt]]));
    else ofTask.set(attempt.attempt, attempt);
  }
  return known;
}

async function lookUp<Found>(
  context: RecordContext,
  group: StepEvents,
  table: 'attempts' | 'tasks',
  columns: readonly string[],
  locks: boolean,
): Promise<readonly Found[]> {
  const { transaction, statements } = context;
  const found: Found[] = [];
  const tasks = [...group.tasks.keys()];
  const largest = LOOKUPS[LOOKUPS.length - 1] ?? 1;
  for (let at = 0; at < tasks.length; at += largest) {
    const wanted = tasks.slice(at, at + largest);
    const size = LOOKUPS.find((each) => each >= wanted.length) ?? largest;
    const text = statements.text(`${table} ${size}`, () => statements.lookUp({ table, columns, size, locks }));
    const last = wanted[wanted.length - 1] ?? 0;
    while (wanted.length < size) wanted.push(last);
    const { rows } = await transaction.executeQuery<Found>(CompiledQuery.raw(text, [...wanted, group.job, group.step]));
    for (const row of rows) found.push(row);
  }
  return found;
}
