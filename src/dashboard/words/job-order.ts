import type { Status } from '../answers.ts';
import { progressOf } from './progress.ts';

/** By what jobs are put in order, and how that is called. '' leaves them as they came: the newest first. */
export const JOB_ORDERS = [
  ['', 'newest first'],
  ['deadline', 'least time to spare first'],
  ['end', 'soonest end first'],
  ['failed', 'most failed first'],
  ['name', 'by name'],
] as const;

/** `order`: one of those; what isn't is taken as ''. Jobs of which it isn't known come last. */
export function inOrder(jobs: readonly Status[], order: string): readonly Status[] {
  if (order === 'name') return [...jobs].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  const weigh = WEIGHTS[order];
  if (weigh === undefined) return jobs;
  const weighed = jobs.map((job) => ({ job, weight: weigh(job) }));
  return weighed.sort((a, b) => (a.weight === b.weight ? 0 : a.weight - b.weight)).map(({ job }) => job);
}

const LAST = Number.POSITIVE_INFINITY;
const instantOf = (text: string | null): number => (text === null ? LAST : Date.parse(text));

/** Milliseconds between end and deadline; of one whose end nobody knows until the deadline from an end at once. */
function spareOf({ finishBy, closedAt, projected, createdAt }: Status): number {
  return finishBy === null ? LAST : Date.parse(finishBy) - instantOf(closedAt ?? projected ?? createdAt);
}

const WEIGHTS: Readonly<Record<string, (job: Status) => number>> = {
  deadline: spareOf,
  end: ({ closedAt, projected }) => instantOf(closedAt ?? projected),
  failed: (job) => -progressOf(job).failed,
};
