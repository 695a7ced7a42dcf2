import type { Look } from './look.ts';

/** How many undecided tasks of some groups jobs have together, by their last exact looks. */
export function missingIn(groups: readonly string[], looks: readonly Look[]): number {
  let missing = 0;
  for (const { view, standing } of looks) {
    for (const [index, step] of standing.steps.entries()) {
      if (groups.includes(view.record.spec.steps[index]?.group ?? '')) missing += step.undecided.count;
    }
  }
  return missing;
}
