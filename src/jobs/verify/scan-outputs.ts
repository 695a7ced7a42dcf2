import { createHash } from 'node:crypto';
import { isKind } from '../../errors.ts';
import { ahead } from '../../lib/ahead.ts';
import { parseStored } from '../../lib/json.ts';
import { TaskBits } from '../../model/bits.ts';
import type { StepFacts } from '../../model/decide.ts';
import { outPrefix, stagedPrefix, taskOfOut } from '../../model/keys.ts';
import type { OutputFile, OutputManifest, OutputMeta } from '../../model/output.ts';
import { tasksIn } from '../../model/task-set.ts';
import { NAMED } from '../../model/verify/findings.ts';
import { manifestLines, manifestProblem, metaProblem } from '../../model/verify/output-check.ts';
import type { ObjectEntry } from '../../ports/object-store.ts';
import { listFailed, readOpened, stepTotals } from '../listing.ts';
import { metaOf } from '../output.ts';
import type { StepTotals } from '../totals.ts';
import { hashObject } from './hash-object.ts';
import { TotalsSum } from './totals-sum.ts';
import type { Verifying } from './verify-context.ts';

export interface StepScanned {
  readonly facts: StepFacts;
  /** Of the outputs that count: those that a gather left out apart. */
  readonly totals: StepTotals;
}

/** Outputs looked at ahead of the one whose turn it is. */
const AHEAD = 16;

/** Lists one step's outputs, once, and looks at each. `each` is told every sound one. */
export async function scanStep(
  ctx: Verifying,
  index: number,
  each?: (task: number, meta: OutputMeta) => Promise<void> | undefined,
): Promise<StepScanned> {
  const { store, view } = ctx;
  const { job, spec } = view.record;
  const step = spec.steps[index];
  const name = step?.name ?? '';
  const published = new TaskBits(stepTotals(view)[index] ?? 0);
  const opened = step?.gather ? await readOpened(store, job, name) : null;
  const leftOut = await leftOutBy(ctx, index + 1, published.size);
  const sum = new TotalsSum();
  const looks = ahead(tasksOf(ctx, name, published), AHEAD, (found) => lookAt(ctx, name, found));
  for await (const { task, meta, problem } of looks) {
    ctx.looked(1);
    let wrong = problem;
    if (meta !== null && wrong === null) {
      if (!leftOut.has(task)) wrong = addTo(sum, meta);
      await each?.(task, meta);
    }
    if (wrong === null) continue;
    if (ctx.altered.length < NAMED) ctx.altered.push(`${name}/${task}`);
    ctx.findings.add('altered', `the output of ${name}/${task} isn't what was published: ${wrong}`);
  }
  const failed = await listFailed(store, view, index, published);
  return { facts: { size: published.size, published, failed, opened }, totals: sum.totals() };
}

/** The tasks that the gather at `index`, if there is one and it is open, goes without. */
async function leftOutBy({ store, view }: Verifying, index: number, size: number): Promise<TaskBits> {
  const bits = new TaskBits(size);
  const step = view.record.spec.steps[index];
  const opened = step?.gather ? await readOpened(store, view.record.job, step.name) : null;
  try {
    for (const task of tasksIn(opened?.leftOut ?? '')) bits.add(task);
  } catch {
    // No set of tasks: the check of the gather says so.
  }
  return bits;
}

interface Found {
  readonly task: number;
  readonly entry: ObjectEntry;
}

/** The objects under out/ that are a task's; any other is named and passed over. */
async function* tasksOf(ctx: Verifying, name: string, published: TaskBits): AsyncGenerator<Found> {
  const options = ctx.signal === undefined ? {} : { signal: ctx.signal };
  for await (const entry of ctx.store.list(outPrefix(ctx.view.record.job, name), options)) {
    const task = taskOfOut(entry.key);
    if (task === null || task >= published.size) {
      ctx.findings.add('foreign', `${entry.key} is the output of no task of step ${name}: move it away`);
      continue;
    }
    published.add(task);
    yield { task, entry };
  }
}

interface Looked {
  readonly task: number;
  readonly meta: OutputMeta | null;
  /** What is wrong with it, in words. */
  readonly problem: string | null;
}

async function lookAt(ctx: Verifying, name: string, { task, entry }: Found): Promise<Looked> {
  try {
    const info = await ctx.store.head(entry.key);
    if (info === null) return { task, meta: null, problem: 'it went away while it was looked at' };
    const brief = metaOf(entry.key, info.metadata);
    if (brief.manifest === true) return await lookAtManifest(ctx, name, task, entry, brief.attempt);
    const problem = metaProblem(brief, ctx.view.round) ?? (await bytesProblem(ctx, entry, brief));
    return { task, meta: brief, problem };
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { task, meta: null, problem: error.message };
  }
}

/** The listing knows the size; the bytes are read only by a deep look. */
async function bytesProblem(ctx: Verifying, entry: ObjectEntry, expected: OutputMeta): Promise<string | null> {
  if (entry.size !== expected.bytesOut) return `it has ${entry.size} bytes, and ${expected.bytesOut} were published`;
  return ctx.deep ? hashProblem(ctx, entry.key, expected.bytesOut, expected.checksum) : null;
}

async function lookAtManifest(
  ctx: Verifying,
  name: string,
  task: number,
  entry: ObjectEntry,
  attempt: string,
): Promise<Looked> {
  const bytes = await ctx.store.read(entry.key);
  if (bytes === null) return { task, meta: null, problem: 'it went away while it was looked at' };
  const { meta, single, files } = parseStored<OutputManifest>(entry.key, bytes);
  if (meta?.attempt !== attempt || !Array.isArray(files)) {
    return { task, meta: null, problem: 'its manifest and its metadata name different attempts' };
  }
  const prefix = stagedPrefix(ctx.view.record.job, name, task, attempt);
  const problem =
    metaProblem(meta, ctx.view.round) ??
    manifestProblem(meta, files, prefix) ??
    (checksumOfManifest(single, files) === meta.checksum ? null : 'its files have other checksums than it says') ??
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
    if (found !== size) return `${key} has ${found} bytes, and ${size} were published`;
    const problem = ctx.deep ? await hashProblem(ctx, key, size, checksum) : null;
    if (problem !== null) return problem;
  }
  return null;
}

async function hashProblem(ctx: Verifying, key: string, size: number, checksum: string): Promise<string | null> {
  const found = await hashObject(ctx.store, key, size, ctx.signal);
  if (found === null) return `${key} is gone`;
  return found.checksum === checksum ? null : `${key} has ${found.checksum}, and ${checksum} was published`;
}

function addTo(sum: TotalsSum, meta: OutputMeta): string | null {
  try {
    sum.add(meta);
    return null;
  } catch {
    return 'one of its counters is no number';
  }
}
