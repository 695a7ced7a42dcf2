import { Big } from 'big.js';
import { TaskBits } from '../model/bits.ts';
import { type ExpectResult, evaluateExpect, parseExpect } from '../model/expect.ts';
import { hasBarrier } from '../model/job.ts';
import { tasksIn } from '../model/task-set.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { listPublished, readOpened, stepTotals } from './listing.ts';
import { inputTotals, type StepTotals, totalsOf } from './totals.ts';

/** A control total, evaluated on exact totals. */
export interface Expectation extends ExpectResult {
  readonly equation: string;
}

/** Evaluates a job's `expect` equations on published outputs, without those that came too late for the step after. */
export async function expectationsOf(store: ObjectStore, view: JobView): Promise<readonly Expectation[]> {
  const { spec, job } = view.record;
  const sizes = stepTotals(view);
  const totals = new Map<string, StepTotals>();
  for (const [index, step] of spec.steps.entries()) {
    const published = await listPublished(store, job, step.name, sizes[index] ?? 0);
    const next = spec.steps[index + 1];
    const opened =
      next !== undefined && hasBarrier(spec.steps, index + 1) ? await readOpened(store, job, next.name) : null;
    const counted = opened === null ? published : without(published, opened.leftOut);
    totals.set(step.name, await totalsOf(store, job, step.name, counted));
  }
  return evaluateAll(view, totals);
}

function without(tasks: TaskBits, leftOut: string): TaskBits {
  if (leftOut === '') return tasks;
  const [out, left] = [new TaskBits(tasks.size), new TaskBits(tasks.size)];
  for (const n of tasksIn(leftOut)) out.add(n);
  for (const n of tasks) if (!out.has(n)) left.add(n);
  return left;
}

/** The same on totals that were already read. */
export function evaluateAll(view: JobView, totals: ReadonlyMap<string, StepTotals>): readonly Expectation[] {
  const input = inputTotals(view.record);
  const lookup = (step: string | null, counter: string): string | null => {
    if (step === 'input') return own(input, counter);
    if (step !== null) return own(totals.get(step)?.counters ?? {}, counter);
    const found = [...totals.values()].flatMap(({ counters }) => own(counters, counter) ?? []);
    return found.length === 0 ? null : found.reduce((sum, value) => sum.plus(value), Big(0)).toFixed();
  };
  return view.record.spec.expect.map((equation) => ({ equation, ...evaluateExpect(parseExpect(equation), lookup) }));
}

/** Prevents a counter's name from reaching inherited properties such as `toString`. */
function own(values: Readonly<Record<string, string>>, name: string): string | null {
  return Object.hasOwn(values, name) ? (values[name] ?? null) : null;
}
