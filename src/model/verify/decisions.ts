import type { JobRecord, Tolerance } from '../job.ts';
import type { JournalEntry } from '../journal.ts';
import type { JobView } from '../view.ts';
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

function toleranceText(tolerance: Tolerance): string {
  if (tolerance.kind === 'count') return String(tolerance.count);
  return `${Number((tolerance.share * 100).toPrecision(12))}%`;
}

/** Who goes without which tasks, and why; what was taken back since is left out. */
export function skipsOf(view: JobView, entries: readonly JournalEntry[]): readonly SkipProof[] {
  const skips = entries.filter((entry): entry is JournalEntry & { readonly what: 'skip' } => entry.what === 'skip');
  return skips.flatMap(({ tasks, who, when, reason }, index) =>
    Object.keys(tasks).flatMap((step): readonly SkipProof[] => {
      const at = view.record.spec.steps.findIndex(({ name }) => name === step);
      const left = rangesText(view.skipped[index]?.get(at) ?? []);
      return left === '' ? [] : [{ step, tasks: left, who, when, reason }];
    }),
  );
}

function rangesText(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
