import { randomId } from '../lib/id.ts';
import { ownValue } from '../lib/json.ts';
import type { JobStanding, NextMove } from '../model/decide.ts';
import type { TaskSets } from '../model/journal.ts';
import { openedKey } from '../model/keys.ts';
import { encodeMessage, type TaskMessage } from '../model/message.ts';
import { formatTaskSet, TaskBits, tasksIn } from '../model/task-set.ts';
import type { OpenedGather } from '../model/view.ts';
import { hasStarted, type JobView, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { OutgoingMessage } from '../ports/task-queue.ts';
import { append, refreshView } from './journal.ts';
import { readOpened } from './listing.ts';

const BATCH = 1_000;

/** Tasks whose messages are hidden for a while, as `job/step/task`: a worker may be about to publish their results. */
export interface LaterTasks {
  readonly names: ReadonlySet<string>;
  readonly seconds: number;
}

interface SendOptions {
  readonly first?: boolean;
  readonly later?: LaterTasks | undefined;
  readonly onProgress?: (sent: number) => void;
}

/**
 * Sends tasks of one step to its group, in batches, so that memory stays flat. `first`: none of them can have a message
 * yet.
 */
export async function sendTasks(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: Iterable<number>,
  { first = false, later, onProgress }: SendOptions = {},
): Promise<number> {
  const spec = view.record.spec.steps[step];
  if (spec === undefined) throw new RangeError(`job ${view.record.job} has no step ${step}`);
  // Workers read the ledger's record, and the author of the entry may have died before writing it.
  if (view.opened.has(step)) await completeOpened(platform.store, view);
  const queue = await platform.queue(spec.group);
  let batch: OutgoingMessage[] = [];
  let sent = 0;
  const flush = async (): Promise<void> => {
    await queue.send(batch);
    sent += batch.length;
    onProgress?.(sent);
    batch = [];
  };
  for (const task of tasks) {
    const isLater = later?.names.has(`${view.record.job}/${spec.name}/${task}`) === true;
    batch.push({ ...messageFor(view, step, task, first), ...(isLater && { delay: later.seconds }) });
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  return sent;
}

/** The message of a task, for the round that last included it. */
function messageFor(view: JobView, step: number, task: number, first: boolean): OutgoingMessage {
  const { job, spec } = view.record;
  const name = spec.steps[step]?.name ?? '';
  const message: TaskMessage = {
    job,
    step: name,
    task,
    round: roundOf(view, step, task),
    ...(!first && { again: true }),
  };
  return { body: encodeMessage(message), tenant: job };
}

/** Sends the undecided tasks, or those `among` the given ones. */
export async function sendUndecided(
  platform: Platform,
  view: JobView,
  standing: JobStanding,
  among: TaskSets | null = null,
  options: Pick<SendOptions, 'later'> = {},
): Promise<number> {
  let sent = 0;
  for (const [step, found] of standing.steps.entries()) {
    const tasks = undecidedAmong(found, among);
    if (tasks.count > 0) sent += await sendTasks(platform, view, step, tasks, options);
  }
  return sent;
}

/** The undecided tasks, or those `among` the given ones, as named in a journal entry. */
export function undecidedSets(standing: JobStanding, among: TaskSets | null = null): TaskSets {
  const sets: Record<string, string> = {};
  for (const step of standing.steps) {
    const tasks = undecidedAmong(step, among);
    if (tasks.count > 0) sets[step.name] = formatTaskSet(tasks);
  }
  return sets;
}

function undecidedAmong(
  { name, undecided }: JobStanding['steps'][number],
  among: TaskSets | null,
): JobStanding['steps'][number]['undecided'] {
  if (among === null) return undecided;
  const tasks = new TaskBits(undecided.size);
  for (const task of tasksIn(ownValue(among, name) ?? '')) if (undecided.has(task)) tasks.add(task);
  return tasks;
}

/**
 * Decides what a step is opened with, if the journal is still as in `view`; null: list again. If tasks are left out,
 * that is a journal entry, so a retry of them either comes before and is waited for, or finds them left out. If all are
 * taken, there is no entry, as no task is left to retry.
 */
export async function decideOpening(
  platform: Platform,
  view: JobView,
  { step, count, leftOut }: NextMove & { move: 'open' },
): Promise<{ readonly view: JobView; readonly opened: OpenedGather | null }> {
  if (leftOut === '') {
    const now = await refreshView(platform.store, view);
    return { view: now, opened: now.next === view.next ? { format: 1, id: randomId(16), count, leftOut } : null };
  }
  const name = view.record.spec.steps[step]?.name ?? '';
  const { view: now, appended } = await append(platform, view, (then) =>
    then.next === view.next ? { what: 'open', step: name, count, leftOut } : null,
  );
  return { view: now, opened: appended ? (now.opened.get(step) ?? null) : null };
}

/** Writes each opened.json that has only its entry so far: its author died, or is about to write it. */
export async function completeOpened(store: ObjectStore, { record, opened }: JobView): Promise<void> {
  for (const [index, each] of opened) {
    const name = record.spec.steps[index]?.name ?? '';
    if ((await readOpened(store, record.job, name)) !== null) continue;
    await store.put(openedKey(record.job, name), JSON.stringify(each), { ifAbsent: true });
  }
}

/** Writes opened.json once. True if this opening is the one that counts. */
export async function putOpened(store: ObjectStore, job: string, step: string, opened: OpenedGather): Promise<boolean> {
  const { created } = await store.put(openedKey(job, step), JSON.stringify(opened), { ifAbsent: true });
  // If the key exists, it may be from our own first try with a lost answer (law 2).
  return created || (await readOpened(store, job, step))?.id === opened.id;
}

/** True for a job whose tasks may run, so that missing ones may be re-sent. */
export function canResend(view: JobView, now: number): boolean {
  return (
    hasStarted(view, now) && view.paused === null && !view.cancelled && view.stopped === null && view.closed === null
  );
}
