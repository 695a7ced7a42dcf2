import { isRecord, type JsonObject, ownValue } from '../../lib/json.ts';
import type { Value } from '../answers/shapes.ts';
import type { VERIFY_RESULT } from '../answers/verify.ts';
import { type JobRecord, toleranceText } from '../job.ts';
import { isClosed } from '../job-state.ts';
import type { JournalEntry } from '../journal.ts';
import { parseTaskSet, rangesText, subtractRanges } from '../task-set.ts';
import { type JobView, stateOf } from '../view.ts';
import type { ChainsResult } from './chains-check.ts';
import type { Evidence, RoundEvidence, ToleranceEvidence } from './evidence.ts';
import type { Findings } from './findings.ts';

/** Stable, and the body of a proof. Lists of tasks name the first thousand; counts are complete. */
export type VerifyResult = Value<typeof VERIFY_RESULT>;

interface ResultFacts {
  readonly view: JobView;
  readonly deep: boolean;
  readonly chains: ChainsResult;
  readonly scanned: { readonly parts: number; readonly inputs: number; readonly bytes: number };
  readonly expectations: VerifyResult['expectations'];
  readonly skips: VerifyResult['skips'];
  readonly altered: readonly string[];
  readonly evidence: Evidence | null;
  readonly findings: Findings;
  readonly warnings: Findings;
}

/** Composes the result: equal for equal stores, so that a repeated proof isn't kept twice. */
export function composeResult(verified: ResultFacts): VerifyResult {
  const { view, chains, scanned, findings, warnings, deep, skips, altered, expectations, evidence } = verified;
  const { standing: _, ...ends } = chains;
  const state = stateOf(view);
  const { rehearsal } = view.record;
  return {
    format: 1,
    job: view.record.job,
    runKey: view.record.runKey,
    state,
    round: view.round,
    entry: view.next - 1,
    digest: view.record.digest,
    verdict: !isClosed(state) ? 'unfinished' : findings.any ? 'failed' : 'proven',
    deep,
    checked: { ...scanned, outputs: chains.steps.reduce((sum, step) => sum + step.published, 0) },
    ...(rehearsal && { rehearsal: { parts: view.record.parts, of: rehearsal.of.parts } }),
    ...ends,
    skips,
    altered,
    expectations,
    evidence,
    problems: findings.list(),
    warnings: warnings.list(),
  };
}

/** Retries and extensions in their order, with the changes of each; `entries` is the whole journal. */
export function roundsOf(entries: readonly JournalEntry[]): readonly RoundEvidence[] {
  return entries.flatMap((entry, n): readonly RoundEvidence[] => {
    const { who, when } = entry;
    if (entry.what === 'extend') {
      const { round, first, count } = entry;
      return [{ round, entry: n, who, when, tasks: {}, changed: {}, added: { first, count } }];
    }
    if (entry.what !== 'retry') return [];
    const { round, tasks, overrides } = entry;
    return [{ round, entry: n, who, when, tasks, changed: overrides }];
  });
}

/** How many chains may fail, and which entry set it. */
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

/** Who skipped which tasks, and why; without those undone since. */
export function skipsOf(entries: readonly JournalEntry[]): VerifyResult['skips'] {
  return entries.flatMap((entry, n): VerifyResult['skips'] => {
    if (entry.what !== 'skip') return [];
    const { tasks, who, when, reason } = entry;
    return Object.entries(tasks).flatMap(([step, set]): VerifyResult['skips'] => {
      const left = entries.slice(n + 1).reduce((ranges, later) => {
        return later.what === 'unskip'
          ? subtractRanges(ranges, parseTaskSet(ownValue(later.tasks, step) ?? ''))
          : ranges;
      }, parseTaskSet(set));
      return left.length === 0 ? [] : [{ step, tasks: rangesText(left), who, when, reason }];
    });
  });
}

/** A place where two JSON values differ. */
export interface Difference {
  /** `steps[0].counters.amount` */
  readonly path: string;
  readonly stated: unknown;
  readonly found: unknown;
}

/** Where two JSON values differ, depth first. An undefined field counts as absent. */
export function* differences(stated: unknown, found: unknown, path = ''): Generator<Difference> {
  if (Array.isArray(stated) && Array.isArray(found)) {
    if (stated.length !== found.length) yield { path: `${path}.length`, stated: stated.length, found: found.length };
    for (const [index, value] of stated.slice(0, found.length).entries())
      yield* differences(value, found[index], `${path}[${index}]`);
    return;
  }
  if (isRecord(stated) && isRecord(found)) {
    for (const name of new Set([...Object.keys(stated), ...Object.keys(found)])) {
      const at = path === '' ? name : `${path}.${name}`;
      yield* differences(fieldOf(stated, name), fieldOf(found, name), at);
    }
    return;
  }
  if (stated !== found) yield { path, stated, found };
}

function fieldOf(value: JsonObject, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}
