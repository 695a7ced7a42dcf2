import type { TaskSets } from '../model/journal.ts';

/** How sets of tasks read in a schema. */
export const SETS_SCHEMA = {
  type: 'object',
  additionalProperties: { type: 'string' },
  description: 'by step: 0-4,17',
} as const;

const SHOWN = 60;

/** Sets of tasks in a line: `price/0-4,17 check/3`; long ones are cut. */
export function setsText(sets: TaskSets): string {
  return Object.entries(sets)
    .map(([step, set]) => `${step}/${set.length > SHOWN ? `${set.slice(0, SHOWN - 3)}...` : set}`)
    .join(' ');
}
