import type { JobStanding } from '../model/decide.ts';
import type { StepSpec } from '../model/job.ts';
import { interruptionKey, interruptionsPrefix, roundInterruptionsPrefix, taskOfInterruption } from '../model/keys.ts';
import type { TaskMessage } from '../model/message.ts';
import { TaskBits } from '../model/task-set.ts';
import { type JobView, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** interruptions/: an attempt that EC2 ended by an interruption. Its existence counts; its content explains. */
export interface InterruptionMark {
  readonly format: 1;
  readonly number: number;
  readonly worker: string;
  /** ISO-8601 UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
}

/** A step whose fallback group takes over tasks that are interrupted too often. */
export type FallbackStep = StepSpec & { readonly fallback: string; readonly interruptions: number };

export function hasFallback(step: StepSpec): step is FallbackStep {
  return step.fallback !== null && step.interruptions !== null;
}

/** Writes the mark; repeating it for the same attempt changes nothing. */
export async function putInterruption(
  store: ObjectStore,
  { job, step, task, round }: TaskMessage,
  attempt: string,
  mark: InterruptionMark,
): Promise<void> {
  await store.put(interruptionKey(job, step, task, round, attempt), JSON.stringify(mark), { ifAbsent: true });
}

/** Whether EC2 has interrupted the task often enough in its round for the fallback group to take it. */
export async function belongsToFallback(
  store: ObjectStore,
  step: FallbackStep,
  { job, task, round }: TaskMessage,
): Promise<boolean> {
  let left = step.interruptions;
  for await (const _ of store.keys(roundInterruptionsPrefix(job, step.name, task, round))) {
    left -= 1;
    if (left <= 0) return true;
  }
  return false;
}

/** The undecided tasks that their steps' fallback groups take, by step; omits steps without one. */
export async function tasksOfFallbacks(
  store: ObjectStore,
  view: JobView,
  standing: JobStanding,
): Promise<ReadonlyMap<number, TaskBits>> {
  const found = new Map<number, TaskBits>();
  for (const [index, { undecided }] of standing.steps.entries()) {
    const step = view.record.spec.steps[index];
    if (undecided.count === 0 || step === undefined || !hasFallback(step)) continue;
    const marks = new Map<number, number>();
    const bits = new TaskBits(undecided.size);
    for await (const key of store.keys(interruptionsPrefix(view.record.job, step.name))) {
      const named = taskOfInterruption(key);
      if (named === null || !undecided.has(named.task) || named.round !== roundOf(view, index, named.task)) continue;
      const count = (marks.get(named.task) ?? 0) + 1;
      marks.set(named.task, count);
      if (count >= step.interruptions) bits.add(named.task);
    }
    found.set(index, bits);
  }
  return found;
}
