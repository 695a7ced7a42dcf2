import type { TaskBits } from '../model/bits.ts';
import type { Standing } from '../model/decide.ts';
import { encodeMessage, type TaskMessage } from '../model/message.ts';
import { formatTaskSet } from '../model/task-set.ts';
import { type JobView, roundOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import type { OutgoingMessage } from '../ports/task-queue.ts';
import { completeOpened } from './opening.ts';

const BATCH = 1_000;

/** Sends tasks of one step to the step's group, in batches, so that memory stays flat. */
export async function sendTasks(
  platform: Platform,
  view: JobView,
  step: number,
  tasks: Iterable<number>,
  onProgress?: (sent: number) => void,
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
    batch.push(messageFor(view, spec.name, step, task));
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  return sent;
}

/** The message of a task, for the round that last included it. */
export function messageFor(view: JobView, name: string, step: number, task: number): OutgoingMessage {
  const { job } = view.record;
  const message: TaskMessage = { job, step: name, task, round: roundOf(view, step, task) };
  return { body: encodeMessage(message), tenant: job };
}

/** Sends every undecided task: used by `resume`, a resend and a continued submission. */
export async function sendUndecided(platform: Platform, view: JobView, standing: Standing): Promise<number> {
  let sent = 0;
  for (const [step, { undecided }] of standing.steps.entries()) {
    if (undecided.count > 0) sent += await sendTasks(platform, view, step, undecided);
  }
  return sent;
}

/** The undecided tasks, as named in a journal entry. */
export function undecidedSets(standing: Standing): Readonly<Record<string, string>> {
  const sets: Record<string, string> = {};
  for (const { name, undecided } of standing.steps) {
    if (undecided.count > 0) sets[name] = formatTaskSet(undecided satisfies TaskBits);
  }
  return sets;
}
