import { createHash } from 'node:crypto';
import { isKind } from '../../errors.ts';
import { mapAhead } from '../../lib/parallel.ts';
import { isHeldBack, type StepFacts } from '../../model/decide.ts';
import { hasBarrier } from '../../model/job.ts';
import { outPrefix, stagedPrefix, taskOfOut } from '../../model/keys.ts';
import {
  manifestLines,
  manifestProblem,
  metaProblem,
  type OutputFile,
  type OutputMeta,
  type OutputTask,
} from '../../model/output.ts';
import { TaskBits, tasksIn } from '../../model/task-set.ts';
import { copyProblem } from '../../model/verify/attempt-places.ts';
import { publishedEnd, type TaskEnd } from '../../model/verify/evidence.ts';
import { MAX_NAMED_TASKS } from '../../model/verify/findings.ts';
import { isSkipped, isSkippedItself } from '../../model/view.ts';
import type { ObjectInfo } from '../../ports/object-store.ts';
import { readFailureObject } from '../failures.ts';
import { currentFailures, type NamedFailure, stepTotals } from '../listing.ts';
import { manifestOf, metaOf } from '../output.ts';
import { type StepTotals, TotalsSum } from '../totals.ts';
import { type OtherInput, otherInputText } from './input-links.ts';
import { hashObject, type VerifyContext } from './verify-context.ts';

/** A task's published object, as listed. */
interface ListedOutput {
  readonly task: number;
  readonly key: string;
}

interface OutputCheck {
  readonly task: number;
  readonly meta: OutputMeta | null;
  /** The problem with it; null: none. */
  readonly problem: string | null;
}

/** Checks a task's published object. Deep: reads every byte. */
async function checkOutput(ctx: VerifyContext, name: string, { task, key }: ListedOutput): Promise<OutputCheck> {
  const of = { job: ctx.view.record.job, step: name, task };
  try {
    const info = await ctx.store.head(key);
    if (info === null) return { task, meta: null, problem: 'it disappeared during the check' };
    const brief = metaOf(of, info.metadata);
    if (brief.manifest === true) return await checkManifest(ctx, of, key, brief.attempt);
    const problem = metaProblem(brief, ctx.view.round) ?? (await bytesProblem(ctx, info, brief));
    return { task, meta: brief, problem };
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { task, meta: null, problem: error.message };
  }
}

/** Only a deep verification reads the bytes. */
async function bytesProblem(ctx: VerifyContext, info: ObjectInfo, expected: OutputMeta): Promise<string | null> {
  if (info.size !== expected.bytesOut) return `it has ${info.size} bytes, but ${expected.bytesOut} were published`;
  return ctx.deep ? hashProblem(ctx, info.key, expected.bytesOut, expected.checksum) : null;
}

async function checkManifest(ctx: VerifyContext, of: OutputTask, key: string, attempt: string): Promise<OutputCheck> {
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

async function filesProblem(ctx: VerifyContext, prefix: string, files: readonly OutputFile[]): Promise<string | null> {
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

async function hashProblem(ctx: VerifyContext, key: string, size: number, checksum: string): Promise<string | null> {
  const found = await hashObject(ctx.store, key, size, ctx.signal);
  if (found === null) return `${key} is gone`;
  return found.checksum === checksum ? null : `${key} has ${found.checksum}, but ${checksum} was published`;
}

type Failed = TaskEnd & { readonly end: 'failed' };

interface Failure {
  readonly task: number;
  /** As in `OutputMeta`. */
  readonly wholeRecords: boolean;
  readonly end: Failed;
}

/** Walks `failed/` alongside the outputs, and reports the end of each task without one to the evidence. */
class UnpublishedTasks {
  /** Failed for good in the round that last requested them, and not published. */
  readonly failed: TaskBits;
  readonly #ctx: VerifyContext;
  readonly #index: number;
  readonly #name: string;
  readonly #before: TaskBits | null;
  readonly #failures: AsyncGenerator<Failure>;
  #next: Failure | null | undefined;

  /** `before`: the published tasks of the step before; null for the first step. */
  constructor(ctx: VerifyContext, index: number, before: TaskBits | null) {
    this.failed = new TaskBits(stepTotals(ctx.view)[index] ?? 0);
    this.#ctx = ctx;
    this.#index = index;
    this.#name = ctx.view.record.spec.steps[index]?.name ?? '';
    this.#before = before;
    const named = currentFailures(ctx.store, ctx.view, index, this.failed.size);
    this.#failures = mapAhead(named, AHEAD, (failure) => readFailure(ctx, failure));
  }

  /** Reports the tasks from `from` to below `to`, which are not published. Call it in ascending order. */
  async report(from: number, to: number): Promise<void> {
    for (let n = from; n < to; n += 1) {
      while (this.#next !== null && (this.#next === undefined || this.#next.task < n)) await this.#step();
      const failure = this.#next?.task === n ? this.#next : null;
      if (failure !== null) this.failed.add(n);
      if (failure?.wholeRecords === true) recordCheckedCut(this.#ctx, this.#index, n);
      const end = this.#endOf(n, failure?.end ?? null);
      if (end !== null) this.#ctx.evidence?.end({ line: 'end', step: this.#name, n, ...end });
    }
    if (to > from) this.#ctx.reportChecked(to - from);
  }

  async close(): Promise<void> {
    await this.#failures.return(undefined);
  }

  async #step(): Promise<void> {
    const { value, done } = await this.#failures.next();
    this.#next = done === true ? null : value;
  }

  /** Null for a task that was never requested, because its chain had ended before. */
  #endOf(n: number, failure: Failed | null): TaskEnd | null {
    const { view, opened } = this.#ctx;
    if (isSkippedItself(view, this.#index, n)) return { end: 'skipped' };
    const barrier = hasBarrier(view.record.spec.steps, this.#index);
    const asked = barrier ? (opened[this.#index] ?? null) !== null : this.#before === null || this.#before.has(n);
    if (isSkipped(view, this.#index, n)) return asked ? { end: 'skipped' } : null;
    if (failure !== null) return failure;
    if (!asked) return null;
    const givenUp = view.stopped !== null || isHeldBack(view, this.#index, n);
    return givenUp ? { end: 'givenUp' } : { end: 'missing' };
  }
}

const UNREAD = { attempt: null, reason: null, exitCode: null, error: null } as const;

/** The stored details of a failure. A failure that can't be read still counts. */
async function readFailure(ctx: VerifyContext, { key, task, round }: NamedFailure): Promise<Failure> {
  if (ctx.evidence === null) return { task, wholeRecords: false, end: { end: 'failed', round, ...UNREAD } };
  const found = await readFailureObject(ctx.store, key);
  if (found?.problem) ctx.warnings.add('failureUnreadable', found.problem);
  const { attempt, reason, exitCode, error } = found ?? UNREAD;
  const wholeRecords = found?.wholeRecords === true;
  return { task, wholeRecords, end: { end: 'failed', round, attempt, reason, exitCode, error } };
}

function recordCheckedCut({ cuts }: VerifyContext, index: number, task: number): void {
  // Only tasks of the first step read parts.
  if (index === 0) cuts?.checked.add(task);
}

export interface StepScan {
  readonly facts: StepFacts;
  /** Totals of the outputs that count, without those that a gather left out. */
  readonly totals: StepTotals;
  /** The number of these outputs without a byte. */
  readonly empty: number;
}

/** Outputs, and failures, read ahead. */
const AHEAD = 16;

/**
 * Lists one step's outputs and failures in parallel, once, and checks each. `before`: the published tasks of the step
 * before. `each` receives every sound output, and whether a gather left it out.
 */
export async function scanStep(
  ctx: VerifyContext,
  index: number,
  before: TaskBits | null,
  each?: (task: number, meta: OutputMeta, late: boolean) => Promise<void> | undefined,
): Promise<StepScan> {
  const name = ctx.view.record.spec.steps[index]?.name ?? '';
  const published = new TaskBits(stepTotals(ctx.view)[index] ?? 0);
  const opened = ctx.opened[index] ?? null;
  const leftOut = leftOutBy(ctx, index + 1, published.size);
  const sum = new TotalsSum();
  const rest = new UnpublishedTasks(ctx, index, before);
  ctx.evidence?.sum.beginStep(name);
  let [next, empty] = [0, 0];
  for await (const looked of mapAhead(tasksOf(ctx, name, published), AHEAD, (found) => checkOutput(ctx, name, found))) {
    const { task, meta } = looked;
    ctx.reportChecked(1);
    if (task > next) await rest.report(next, task);
    next = task + 1;
    const late = leftOut.has(task);
    const own =
      looked.problem ??
      (meta === null ? null : (cutProblem(ctx, index, task, meta) ?? duplicateProblem(ctx, index, task, meta)));
    const wrong = own ?? (meta === null || late ? null : addTo(sum, meta));
    if (meta?.bytesOut === 0 && wrong === null && !late) empty += 1;
    if (meta?.wholeRecords === true && wrong === null) recordCheckedCut(ctx, index, task);
    if (meta !== null && wrong === null) await each?.(task, meta, late);
    if (wrong !== null) reportAltered(ctx, name, task, wrong);
    else if (meta !== null) {
      reportOther(ctx, ctx.links.add(index, task, meta));
      ctx.evidence?.end(publishedEnd(name, task, meta, late));
    }
  }
  await rest.report(next, published.size);
  await rest.close();
  const totals = sum.totals();
  ctx.evidence?.sum.endStep(totals);
  return { facts: { size: published.size, published, failed: rest.failed, opened }, totals, empty };
}

/** The problem with an output of a part whose cuts were assumed; null if its worker checked them. */
function cutProblem({ cuts }: VerifyContext, index: number, task: number, meta: OutputMeta): string | null {
  if (index > 0 || cuts?.assumed.has(task) !== true || meta.wholeRecords === true) return null;
  return 'its worker did not check that its part of the CSV holds whole records';
}

function reportAltered(ctx: VerifyContext, name: string, task: number, problem: OutputCheck['problem'] & string): void {
  if (ctx.altered.length < MAX_NAMED_TASKS) ctx.altered.push(`${name}/${task}`);
  ctx.findings.add('altered', `the output of ${name}/${task} differs from what was published: ${problem}`);
  ctx.evidence?.end({ line: 'end', step: name, n: task, end: 'altered', problem });
}

/** Reports an output that was made from something else than its input is now. */
function reportOther({ view, findings }: VerifyContext, other: OtherInput | null): void {
  if (other !== null) findings.add('otherInput', otherInputText(view.record.spec.steps, other));
}

/** The tasks that the gather at `index` leaves out, if it exists and is open. */
function leftOutBy(ctx: VerifyContext, index: number, size: number): TaskBits {
  try {
    return new TaskBits(size, tasksIn(ctx.opened[index]?.leftOut ?? ''));
  } catch {
    // The check of the gather reports an invalid task set.
    return new TaskBits(size);
  }
}

/** The objects under out/ that belong to a task; others are reported and skipped. */
async function* tasksOf(ctx: VerifyContext, name: string, published: TaskBits): AsyncGenerator<ListedOutput> {
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

/** Reports it if the attempt that made this output also made another one. */
function duplicateProblem(
  { attempts }: VerifyContext,
  index: number,
  task: number,
  { attempt }: OutputMeta,
): string | null {
  const other = attempts.note(attempt, index, task);
  return other === null ? null : copyProblem(attempt, other);
}

function addTo(sum: TotalsSum, meta: OutputMeta): string | null {
  try {
    sum.add(meta);
    return null;
  } catch {
    return 'one of its counters is not a number';
  }
}
