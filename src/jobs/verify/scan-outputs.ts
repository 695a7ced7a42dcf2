import { createHash } from 'node:crypto';
import { isKind } from '../../errors.ts';
import { ahead } from '../../lib/parallel.ts';
import { isHeldBack, type StepFacts } from '../../model/decide.ts';
import { hasBarrier } from '../../model/job.ts';
import { failedPrefix, outPrefix, stagedPrefix, taskOfFailed, taskOfOut } from '../../model/keys.ts';
import {
  manifestLines,
  manifestProblem,
  metaProblem,
  type OutputFile,
  type OutputMeta,
  type OutputOf,
} from '../../model/output.ts';
import { TaskBits, tasksIn } from '../../model/task-set.ts';
import { madeTwice } from '../../model/verify/attempt-places.ts';
import { publishedEnd, type TaskEnd } from '../../model/verify/evidence.ts';
import { NAMED } from '../../model/verify/findings.ts';
import { isSkipped, roundOf } from '../../model/view.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { readFailureObject } from '../failures.ts';
import { stepTotals } from '../listing.ts';
import { manifestOf, metaOf } from '../output.ts';
import { type StepTotals, TotalsSum } from '../totals.ts';
import { hashObject, type Verifying } from './verify-context.ts';

/** A task's published object, as a listing names it. */
interface Found {
  readonly task: number;
  readonly key: string;
}

interface Looked {
  readonly task: number;
  readonly meta: OutputMeta | null;
  /** What is wrong with it, in words. */
  readonly problem: string | null;
}

/** Looks at a task's published object. Deep: reads every byte. */
async function lookAt(ctx: Verifying, name: string, { task, key }: Found): Promise<Looked> {
  const of = { job: ctx.view.record.job, step: name, task };
  try {
    const info = await ctx.store.head(key);
    if (info === null) return { task, meta: null, problem: 'it disappeared during the check' };
    const brief = metaOf(of, info.metadata);
    if (brief.manifest === true) return await lookAtManifest(ctx, of, key, brief.attempt);
    const problem = metaProblem(brief, ctx.view.round) ?? (await bytesProblem(ctx, info, brief));
    return { task, meta: brief, problem };
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { task, meta: null, problem: error.message };
  }
}

/** The bytes are read only by a deep look. */
async function bytesProblem(ctx: Verifying, info: ObjectInfo, expected: OutputMeta): Promise<string | null> {
  if (info.size !== expected.bytesOut) return `it has ${info.size} bytes, but ${expected.bytesOut} were published`;
  return ctx.deep ? hashProblem(ctx, info.key, expected.bytesOut, expected.checksum) : null;
}

async function lookAtManifest(ctx: Verifying, of: OutputOf, key: string, attempt: string): Promise<Looked> {
  const { job, step, task } = of;
  const bytes = await ctx.store.read(key);
  if (bytes === null) return { task, meta: null, problem: 'it disappeared during the check' };
  const { meta, single, files } = manifestOf(of, attempt, bytes);
  const prefix = stagedPrefix(job, step, task, attempt);
  const problem =
    metaProblem(meta, ctx.view.round) ??
    manifestProblem(meta, files) ??
    (checksumOfManifest(single, files) === meta.checksum
      ? null
      : 'the checksums of its files differ from those in it') ??
    (await filesProblem(ctx, prefix, files));
  return { task, meta, problem };
}

function checksumOfManifest(single: boolean, files: readonly OutputFile[]): string | undefined {
  if (single) return files[0]?.checksum;
  return `sha256:${createHash('sha256').update(manifestLines(files)).digest('hex')}`;
}

async function filesProblem(ctx: Verifying, prefix: string, files: readonly OutputFile[]): Promise<string | null> {
  const sizes = new Map<string, number>();
  for await (const { key, size } of ctx.store.list(prefix)) sizes.set(key, size);
  for (const { key, size, checksum } of files) {
    const found = sizes.get(key);
    if (found === undefined) return `${key} is gone`;
    if (found !== size) return `${key} has ${found} bytes, but ${size} were published`;
    const problem = ctx.deep ? await hashProblem(ctx, key, size, checksum) : null;
    if (problem !== null) return problem;
  }
  return null;
}

async function hashProblem(ctx: Verifying, key: string, size: number, checksum: string): Promise<string | null> {
  const found = await hashObject(ctx.store, key, size, ctx.signal);
  if (found === null) return `${key} is gone`;
  return found.checksum === checksum ? null : `${key} has ${found.checksum}, but ${checksum} was published`;
}

type Failed = TaskEnd & { readonly end: 'failed' };

interface Failure {
  readonly task: number;
  readonly end: Failed;
}

/** Failures read ahead of the one whose turn it is. */

/** Walks a step's `failed/` beside its outputs, and tells the evidence what became of the tasks without one. */
class Unpublished {
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

export interface StepScanned {
  readonly facts: StepFacts;
  /** Of the outputs that count: those that a gather left out apart. */
  readonly totals: StepTotals;
}

/** Outputs looked at ahead of the one whose turn it is. */
const AHEAD = 16;

/**
 * Lists one step's outputs and failures, once, side by side, and looks at each. `before` is what was published of the
 * step before; `each` is told every sound output, and whether a gather went without it.
 */
export async function scanStep(
  ctx: Verifying,
  index: number,
  before: TaskBits | null,
  each?: (task: number, meta: OutputMeta, late: boolean) => Promise<void> | undefined,
): Promise<StepScanned> {
  const name = ctx.view.record.spec.steps[index]?.name ?? '';
  const published = new TaskBits(stepTotals(ctx.view)[index] ?? 0);
  const opened = ctx.opened[index] ?? null;
  const leftOut = leftOutBy(ctx, index + 1, published.size);
  const sum = new TotalsSum();
  const rest = new Unpublished(ctx, index, before);
  ctx.evidence?.beginStep(name);
  let next = 0;
  for await (const looked of ahead(tasksOf(ctx, name, published), AHEAD, (found) => lookAt(ctx, name, found))) {
    const { task, meta } = looked;
    ctx.looked(1);
    if (task > next) await rest.tell(next, task);
    next = task + 1;
    const late = leftOut.has(task);
    const own = looked.problem ?? (meta === null ? null : twice(ctx, index, task, meta));
    const wrong = own ?? (meta === null || late ? null : addTo(sum, meta));
    if (meta !== null && wrong === null) await each?.(task, meta, late);
    if (wrong !== null) sayAltered(ctx, name, task, wrong);
    else if (meta !== null) ctx.evidence?.end(publishedEnd(name, task, meta, late));
  }
  await rest.tell(next, published.size);
  await rest.close();
  const totals = sum.totals();
  ctx.evidence?.endStep(totals);
  return { facts: { size: published.size, published, failed: rest.failed, opened }, totals };
}

function sayAltered(ctx: Verifying, name: string, task: number, problem: Looked['problem'] & string): void {
  if (ctx.altered.length < NAMED) ctx.altered.push(`${name}/${task}`);
  ctx.findings.add('altered', `the output of ${name}/${task} is not what was published: ${problem}`);
  ctx.evidence?.end({ line: 'end', step: name, n: task, end: 'altered', problem });
}

/** The tasks that the gather at `index`, if there is one and it is open, goes without. */
function leftOutBy(ctx: Verifying, index: number, size: number): TaskBits {
  const bits = new TaskBits(size);
  try {
    for (const task of tasksIn(ctx.opened[index]?.leftOut ?? '')) bits.add(task);
  } catch {
    // No set of tasks: the check of the gather says so.
  }
  return bits;
}

/** The objects under out/ that are a task's; any other is named and passed over. */
async function* tasksOf(ctx: Verifying, name: string, published: TaskBits): AsyncGenerator<Found> {
  const options = ctx.signal === undefined ? {} : { signal: ctx.signal };
  for await (const key of ctx.store.keys(outPrefix(ctx.view.record.job, name), options)) {
    const task = taskOfOut(key);
    if (task === null || task >= published.size) {
      ctx.findings.add('foreign', `${key} does not belong to a task of step ${name}: move it away`);
      continue;
    }
    published.add(task);
    yield { task, key };
  }
}

/** What is wrong where the attempt that made this output made another one before. */
function twice({ attempts }: Verifying, index: number, task: number, { attempt }: OutputMeta): string | null {
  const other = attempts.note(attempt, index, task);
  return other === null ? null : madeTwice(attempt, other);
}

function addTo(sum: TotalsSum, meta: OutputMeta): string | null {
  try {
    sum.add(meta);
    return null;
  } catch {
    return 'one of its counters is not a number';
  }
}
