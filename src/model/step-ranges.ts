import { type JobRecord, stepIndex } from './job.ts';
import type { Ranges } from './ranges.ts';
import { parseTaskSet } from './task-set.ts';

/** Ranges of tasks by step index. */
export type StepRanges = ReadonlyMap<number, Ranges>;

/** Sets of tasks by step name, as a journal entry names them, by step index. Throws a RangeError for a set that is none. */
export function stepRanges(record: JobRecord, sets: Readonly<Record<string, string>>): StepRanges {
  const out = new Map<number, Ranges>();
  for (const [step, text] of Object.entries(sets)) out.set(stepIndex(record.spec, step), parseTaskSet(text));
  return out;
}

/** Two sets as one, step by step; a step with none left is left out. */
export function combineRanges(
  a: StepRanges | undefined,
  b: StepRanges,
  how: (x: Ranges, y: Ranges) => Ranges,
): StepRanges {
  const out = new Map<number, Ranges>();
  for (const step of new Set([...(a?.keys() ?? []), ...b.keys()])) {
    const ranges = how(a?.get(step) ?? [], b.get(step) ?? []);
    if (ranges.length > 0) out.set(step, ranges);
  }
  return out;
}
