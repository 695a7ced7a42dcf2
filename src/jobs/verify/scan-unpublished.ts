import { ahead } from '../../lib/ahead.ts';
import { TaskBits } from '../../model/bits.ts';
import { isHeldBack } from '../../model/held-rounds.ts';
import { hasBarrier } from '../../model/job.ts';
import { failedPrefix, taskOfFailed } from '../../model/keys.ts';
import type { TaskEnd } from '../../model/verify/evidence-lines.ts';
import { isSkipped, roundOf } from '../../model/view.ts';
import { readFailureObject } from '../failure-object.ts';
import { stepTotals } from '../listing.ts';
import type { Verifying } from './verify-context.ts';

type Failed = TaskEnd & { readonly end: 'failed' };

interface Failure {
  readonly task: number;
  readonly end: Failed;
}

/** Failures read ahead of the one whose turn it is. */
const AHEAD = 16;

/** Walks a step's `failed/` beside its outputs, and tells the evidence what became of the tasks without one. */
export class Unpublished {
  /** Failed for good in the round that last asked for them, and not published. */
  readonly failed: TaskBits;
  readonly #ctx: Verifying;
  readonly #index: number;
  readonly #name: string;
  readonly #before: TaskBits | null;
  readonly #failures: AsyncGenerator<Failure>;
  #next: Failure | null | undefined;

  /** `before`: what is published of the step before; null for the first. */
  constructor(ctx: Verifying, index: number, before: TaskBits | null) {
    this.failed = new TaskBits(stepTotals(ctx.view)[index] ?? 0);
    this.#ctx = ctx;
    this.#index = index;
    this.#name = ctx.view.record.spec.steps[index]?.name ?? '';
    this.#before = before;
    this.#failures = ahead(failedTasks(ctx, index, this.failed.size), AHEAD, (named) => readFailure(ctx, named));
  }

  /** Tells of the tasks from `from` to below `to`, which are not published. Called in ascending order. */
  async tell(from: number, to: number): Promise<void> {
    for (let n = from; n < to; n += 1) {
      while (this.#next !== null && (this.#next === undefined || this.#next.task < n)) await this.#step();
      const failure = this.#next?.task === n ? this.#next.end : null;
      if (failure !== null) this.failed.add(n);
      const end = this.#endOf(n, failure);
      if (end !== null) this.#ctx.evidence?.end({ line: 'end', step: this.#name, n, ...end });
    }
    if (to > from) this.#ctx.looked(to - from);
  }

  async close(): Promise<void> {
    await this.#failures.return(undefined);
  }

  async #step(): Promise<void> {
    const { value, done } = await this.#failures.next();
    this.#next = done === true ? null : value;
  }

  /** Null for a task that nobody asked for: its chain ended before. */
  #endOf(n: number, failure: Failed | null): TaskEnd | null {
    const { view, opened } = this.#ctx;
    if (isSkipped(view, this.#index, n)) return { end: 'skipped' };
    if (failure !== null) return failure;
    const barrier = hasBarrier(view.record.spec.steps, this.#index);
    const asked = barrier ? (opened[this.#index] ?? null) !== null : this.#before === null || this.#before.has(n);
    if (!asked) return null;
    const givenUp = view.stopped !== null || isHeldBack(view, this.#index, n);
    return givenUp ? { end: 'givenUp' } : { end: 'missing' };
  }
}

interface Named {
  readonly key: string;
  readonly task: number;
  readonly round: number;
}

/** The failures that count: of the round that last asked for their task. In the order of the tasks. */
async function* failedTasks({ store, view }: Verifying, index: number, size: number): AsyncGenerator<Named> {
  const name = view.record.spec.steps[index]?.name ?? '';
  for await (const key of store.keys(failedPrefix(view.record.job, name))) {
    const named = taskOfFailed(key);
    if (named === null || named.task >= size || named.round !== roundOf(view, index, named.task)) continue;
    yield { key, ...named };
  }
}

const UNREAD = { attempt: null, reason: null, exitCode: null, error: null } as const;

/** What the store keeps of a failure; it counts even where that can't be read. */
async function readFailure(ctx: Verifying, { key, task, round }: Named): Promise<Failure> {
  if (ctx.evidence === null) return { task, end: { end: 'failed', round, ...UNREAD } };
  const found = await readFailureObject(ctx.store, key);
  if (found?.problem) ctx.warnings.add('failureUnreadable', found.problem);
  const { attempt, reason, exitCode, error } = found ?? UNREAD;
  return { task, end: { end: 'failed', round, attempt, reason, exitCode, error } };
}
