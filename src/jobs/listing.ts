import { isKind } from '../errors.ts';
import { readStored, type Shape } from '../lib/json.ts';
import { eachParallel } from '../lib/parallel.ts';
import { sizingOf, stepSizes } from '../model/counts.ts';
import { heldRounds, type StepFacts } from '../model/decide.ts';
import { hasBarrier, takesFiles } from '../model/job.ts';
import { failedPrefix, openedKey, outPrefix, taskOfFailed, taskOfOut } from '../model/keys.ts';
import { TaskBits } from '../model/task-set.ts';
import type { OpenedGather } from '../model/view.ts';
import { type JobView, roundOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { lostFiles } from './lost-files.ts';
import { readOutput } from './output.ts';

/** Lists published and failed tasks, step by step: this listing alone decides (law 11). */
export async function listFacts(store: ObjectStore, view: JobView): Promise<readonly StepFacts[]> {
  const { spec } = view.record;
  // Openings are read first: they tell how many tasks the steps after an `explode` have, whatever the view knew.
  const opened = await Promise.all(
    spec.steps.map(async (step, index) =>
      hasBarrier(spec.steps, index)
        ? ((await readOpened(store, view.record.job, step.name)) ?? view.opened.get(index) ?? null)
        : null,
    ),
  );
  const totals = stepTotals({ ...view, exploded: explodedIn(view, opened) });
  return Promise.all(
    spec.steps.map(async (step, index): Promise<StepFacts> => {
      const size = totals[index] ?? 0;
      const published = await listPublished(store, view.record.job, step.name, size);
      const failed = await listFailed(store, view, index, published);
      const canaries = await provenCanaries(store, view, index, published);
      const lost = await lostOf(store, view, { index, opened: opened[index + 1] ?? null, published });
      return { size, published, failed, opened: opened[index] ?? null, canaries, ...(lost !== null && { lost }) };
    }),
  );
}

/** As `lostFiles`, of an exploding step whose files were taken; null for any other step. */
async function lostOf(
  store: ObjectStore,
  { record: { job, spec } }: JobView,
  {
    index,
    opened,
    published,
  }: { readonly index: number; readonly opened: OpenedGather | null; readonly published: TaskBits },
): Promise<TaskBits | null> {
  const [step, taker] = [spec.steps[index]?.name, spec.steps[index + 1]?.name];
  if (opened === null || step === undefined || taker === undefined || !takesFiles(spec.steps, index + 1)) return null;
  return lostFiles(store, { job, step, taker, opened, published });
}

function explodedIn(view: JobView, opened: readonly (OpenedGather | null)[]): JobView['exploded'] {
  const exploded = new Map(view.exploded);
  for (const [index, found] of opened.entries()) {
    if (found !== null && takesFiles(view.record.spec.steps, index)) exploded.set(index, found.count);
  }
  return exploded;
}

/** The number of tasks of each step, in order; 0 after an `explode` that isn't opened in this view. */
export function stepTotals(view: Pick<JobView, 'record' | 'exploded'>): readonly number[] {
  return stepSizes(sizingOf(view)).map((size) => size ?? 0);
}

const OPENED: Shape = { id: 'text', count: 'number', leftOut: 'text' };

export function readOpened(store: ObjectStore, job: string, step: string): Promise<OpenedGather | null> {
  return readStored<OpenedGather>(store, openedKey(job, step), { shape: OPENED });
}

export async function listPublished(store: ObjectStore, job: string, step: string, size: number): Promise<TaskBits> {
  const bits = new TaskBits(size);
  for await (const key of store.keys(outPrefix(job, step))) {
    const task = taskOfOut(key);
    if (task !== null) bits.add(task);
  }
  return bits;
}

/** The failures that count of tasks below `size`, in task order: those of the round that last requested their task. */
export async function* currentFailures(
  store: ObjectStore,
  view: JobView,
  step: number,
  size: number,
): AsyncGenerator<NamedFailure> {
  const name = view.record.spec.steps[step]?.name ?? '';
  for await (const key of store.keys(failedPrefix(view.record.job, name))) {
    const named = taskOfFailed(key);
    if (named === null || named.task >= size || named.round !== roundOf(view, step, named.task)) continue;
    yield { key, ...named };
  }
}

export interface NamedFailure {
  readonly key: string;
  readonly task: number;
  readonly round: number;
}

export async function listFailed(
  store: ObjectStore,
  view: JobView,
  step: number,
  published: TaskBits,
): Promise<TaskBits> {
  const bits = new TaskBits(published.size);
  for await (const { task } of currentFailures(store, view, step, bits.size)) if (!published.has(task)) bits.add(task);
  return bits;
}

const IN_FLIGHT = 16;

/**
 * For a step's canaries that hold back the rest of their rounds: those whose output was made in their round or later.
 * An output published late by an earlier round says nothing about the retry's changes. Null if nothing is held back.
 * One small read per published canary.
 */
async function provenCanaries(
  store: ObjectStore,
  view: JobView,
  step: number,
  published: TaskBits,
): Promise<TaskBits | null> {
  const held = heldRounds(view);
  if (held.length === 0) return null;
  const proven = new TaskBits(published.size);
  const name = view.record.spec.steps[step]?.name ?? '';
  const candidates = held.flatMap(({ round, canaries }) =>
    [...numbers(canaries.get(step) ?? [], published)].map((task) => ({ round, task })),
  );
  await eachParallel(candidates, IN_FLIGHT, async ({ round, task }) => {
    try {
      const output = await readOutput(store, view.record.job, name, task);
      if (output !== null && output.meta.round >= round) proven.add(task);
    } catch (error) {
      // An output that no attempt published proves nothing.
      if (!isKind(error, 'corrupt')) throw error;
    }
  });
  return proven;
}

function* numbers(ranges: readonly (readonly [number, number])[], published: TaskBits): Generator<number> {
  for (const [from, to] of ranges) for (let n = from; n <= to; n += 1) if (published.has(n)) yield n;
}
