import type { JobRecord } from '../job.ts';
import type { JournalEntry } from '../journal.ts';
import { parseTaskSet, without } from '../task-set.ts';
import { toleranceText } from '../tolerance.ts';
import type { RoundEvidence, ToleranceEvidence } from './evidence.ts';
import type { SkipProof } from './verify-result.ts';

/** Retries, in their order, with what each changed; `entries` is the whole journal. */
export function roundsOf(entries: readonly JournalEntry[]): readonly RoundEvidence[] {
  return entries.flatMap((entry, n): readonly RoundEvidence[] => {
    if (entry.what !== 'retry') return [];
    const { who, when, round, tasks, overrides } = entry;
    return [{ round, entry: n, who, when, tasks, changed: overrides }];
  });
}

/** How many chains may fail, and who said so. */
export function toleranceOf(record: Omit<JobRecord, 'inputs'>, entries: readonly JournalEntry[]): ToleranceEvidence {
  let tolerance: ToleranceEvidence = {
    value: toleranceText(record.spec.tolerate),
    who: record.createdBy,
    when: record.createdAt,
    entry: null,
  };
  for (const [n, entry] of entries.entries()) {
    if (entry.what !== 'adjust' || entry.tolerate === undefined) continue;
    tolerance = { value: entry.tolerate, who: entry.who, when: entry.when, entry: n };
  }
  return tolerance;
}

/** Who goes without which tasks, and why; what was taken back since is left out. */
export function skipsOf(entries: readonly JournalEntry[]): readonly SkipProof[] {
  return entries.flatMap((entry, n): readonly SkipProof[] => {
    if (entry.what !== 'skip') return [];
    const { tasks, who, when, reason } = entry;
    return Object.entries(tasks).flatMap(([step, set]): readonly SkipProof[] => {
      const left = entries.slice(n + 1).reduce((ranges, later) => {
        return later.what === 'unskip' ? without(ranges, parseTaskSet(later.tasks[step] ?? '')) : ranges;
      }, parseTaskSet(set));
      return left.length === 0 ? [] : [{ step, tasks: rangesText(left), who, when, reason }];
    });
  });
}

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
