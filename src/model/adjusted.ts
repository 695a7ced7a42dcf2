import type { EntryKind } from './journal.ts';
import { parseTolerance } from './tolerance.ts';
import type { JobView } from './view.ts';

/** A job after an `adjust` entry: what the entry does not name stays, null lifts. */
export function adjusted(view: JobView, entry: Extract<EntryKind, { what: 'adjust' }>): JobView {
  return {
    ...view,
    tolerance: entry.tolerate === undefined ? view.tolerance : parseTolerance(entry.tolerate),
    maxRunning: entry.maxRunning === undefined ? view.maxRunning : entry.maxRunning,
    notBefore: entry.notBefore ?? view.notBefore,
    finishBy: entry.finishBy === undefined ? view.finishBy : entry.finishBy,
    maxCost: entry.maxCost === undefined ? view.maxCost : entry.maxCost,
  };
}
