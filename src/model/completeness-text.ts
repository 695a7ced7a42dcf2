import { formatCount, formatMany } from '../lib/units.ts';
import type { FetchedEnds } from './answers/data.ts';
import type { JobStatus } from './answers/status.ts';
import { isClosed, type JobState, stateText } from './job-state.ts';

/** How tasks ended, of a whole job or up to one of its steps. A chain that ended counts once, where it ended. */
export interface Ends {
  /** Published outputs that count: without the late ones. */
  readonly outputs: number;
  readonly failed: number;
  /** True: the failures are within the job's tolerance. */
  readonly tolerated: boolean;
  readonly skipped: number;
  /** Published after the step that waits for all had opened without them: kept, never used. */
  readonly late: number;
  /** Neither published, failed for good nor skipped. */
  readonly missing: number;
  /** True if `late` stands for the first of more. */
  readonly moreLate?: boolean;
}

export const isComplete = ({ failed, skipped, late, missing }: Ends): boolean =>
  failed + skipped + late + missing === 0;

/**
 * `9 outputs`; `298 of 300 outputs; 1 skipped, 1 failed (tolerated)`. The one place that says how complete outputs are.
 * `of`: their step. `missing`: the word for tasks that have not ended.
 */
export function outputsText(ends: Ends, { of = null, missing = 'missing' }: OutputsWording = {}): string {
  const { outputs, failed, tolerated, skipped, late, moreLate = false } = ends;
  const step = of === null ? '' : ` of ${of}`;
  if (isComplete(ends)) return `${formatMany(outputs, 'output')}${step}`;
  const all = outputs + failed + skipped + late + ends.missing;
  const exceptions = [
    ...(skipped === 0 ? [] : [`${formatCount(skipped)} skipped`]),
    ...(failed === 0 ? [] : [`${formatCount(failed)} failed${tolerated ? ' (tolerated)' : ' for good'}`]),
    ...(late === 0 ? [] : [`${formatCount(late)}${moreLate ? ' or more' : ''} ${LATE_TEXT}`]),
    ...(ends.missing === 0 ? [] : [`${formatCount(ends.missing)} ${missing}`]),
  ];
  return `${formatCount(outputs)} of ${formatMany(all, 'output')}${step}; ${exceptions.join(', ')}`;
}

/** The code of a proof's warning with that text. */
export const EMPTY_OUTPUTS = 'emptyOutputs';

/**
 * `all 3 outputs of map are empty`, `2 of 3 outputs of map are empty`; null if none is. Empty outputs may be right, but are
 * more often a command whose results went somewhere else.
 */
export function emptyOutputsText(step: string, empty: number, outputs: number): string | null {
  if (empty === 0) return null;
  if (outputs === 1) return `the output of ${step} is empty`;
  const some = empty === outputs ? `all ${formatCount(outputs)}` : `${formatCount(empty)} of ${formatCount(outputs)}`;
  return `${some} outputs of ${step} ${empty === 1 ? 'is' : 'are'} empty`;
}

/** Of outputs that came after the step that waits for all had opened without them. */
export const LATE_TEXT = 'late (kept, not used)';

interface OutputsWording {
  readonly of?: string | null;
  readonly missing?: string;
}

/** The same for a job that is proven, which claims that there are no other exceptions. */
export function provenText(ends: Ends): string {
  const nothing = isComplete(ends) ? ', nothing missing' : '; nothing else missing';
  return `${outputsText(ends)}${nothing}, nothing duplicated`;
}

/** The most tasks that a list of a proof names. */
const NAMED = 1_000;

/** The text for a `VerifyResult`. */
interface VerifiedEnds {
  readonly verdict: 'proven' | 'failed' | 'unfinished';
  readonly steps: readonly (Pick<Ends, 'failed' | 'skipped' | 'missing'> & { readonly published: number })[];
  readonly late: readonly string[];
}

export function endsOfResult({ steps, late, verdict }: VerifiedEnds): Ends {
  const sum = (of: (step: VerifiedEnds['steps'][number]) => number): number =>
    steps.reduce((total, step) => total + of(step), 0);
  return {
    outputs: sum(({ published }) => published) - late.length,
    failed: sum(({ failed }) => failed),
    tolerated: verdict === 'proven',
    skipped: sum(({ skipped }) => skipped),
    late: late.length,
    missing: sum(({ missing }) => missing),
    moreLate: late.length >= NAMED,
  };
}

export function endsOfStatus({ state, steps }: Pick<JobStatus, 'state' | 'steps'>): Ends {
  const sum = (of: (step: JobStatus['steps'][number]) => number): number =>
    steps.reduce((total, step) => total + of(step), 0);
  const late = sum((step) => step.late);
  return {
    outputs: sum(({ done }) => done) - late,
    failed: sum(({ failed }) => failed),
    tolerated: state === 'succeeded',
    skipped: sum(({ skipped }) => skipped),
    late,
    missing: sum(({ waiting, running }) => waiting + running),
  };
}

/** The steps of which all outputs are empty, although they should have some: one sentence each. */
export function statusEmptyTexts({ steps, prunedAt }: Pick<JobStatus, 'steps' | 'prunedAt'>): readonly string[] {
  if (prunedAt !== null) return [];
  return steps.flatMap(({ name, allEmpty, done }) => (allEmpty ? (emptyOutputsText(name, done, done) ?? []) : []));
}

/**
 * How complete a closed job's outputs are, or that its counts are not known; null for a job that is open, or that has
 * all outputs, as only a proof can say that nothing is missing.
 */
export function statusEndsText(status: Pick<JobStatus, 'state' | 'steps' | 'incomplete' | 'prunedAt'>): string | null {
  if (status.prunedAt !== null) return null;
  if (status.incomplete) return INCOMPLETE_TEXT;
  const ends = endsOfStatus(status);
  return isClosed(status.state) && !isComplete(ends) ? outputsText(ends, { missing: NOT_FINISHED }) : null;
}

/** The text for a job that is not proven: some tasks may still run, or run again. */
const NOT_FINISHED = 'not finished';

/** The ledger has less than the journal says: its figures would be zeros, or too low. */
const INCOMPLETE_TEXT = 'counts are incomplete: run batchctl ledger rebuild';

/** The missing tasks of fetched outputs, and those that no later step used; null if all are there. */
export function fetchedEndsText(
  { step, outputs, missing, failed, skipped, late }: FetchedEnds,
  state: JobState,
): string | null {
  const ends: Ends = {
    outputs: outputs - late,
    failed,
    tolerated: state === 'succeeded',
    skipped,
    late,
    missing: Math.max(0, missing - failed - skipped),
  };
  if (isComplete(ends)) return null;
  const text = outputsText(ends, { of: step, missing: NOT_FINISHED });
  return ends.missing === 0 ? text : `${text}, as ${stateText(state)}`;
}
