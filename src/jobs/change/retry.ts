import { BatchctlError } from '../../errors.ts';
import { noLongerFails, type StepFacts, standingOf } from '../../model/decide.ts';
import { hasBarrier } from '../../model/job.ts';
import { type Overrides, UNMET_REASON } from '../../model/journal.ts';
import { requireLegal } from '../../model/legal.ts';
import { type Change, changedExpect, changesOf, foldOverrides, isSameJson } from '../../model/overrides.ts';
import { chooseRetry, type RetryChoice } from '../../model/task-choice.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { tasksOfCauses } from '../failures.ts';
import { refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { refuseLostFiles } from '../lost-files.ts';
import { recordView } from '../record-view.ts';
import { beginRound } from '../round-marks.ts';
import { sendUndecided } from '../send.ts';
import type { TaskName } from '../tasks.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';
import { type CorrectedFile, changesFor, correctedOverrides, storeCorrectedCode } from './corrected-file.ts';

export interface RetryOptions {
  /** Neither tasks nor causes: everything that failed for good. */
  readonly tasks?: readonly TaskName[];
  /** Ids of causes, or unique prefixes: their tasks are included. */
  readonly causes?: readonly string[];
  /** The index of the only step to choose from. */
  readonly only?: number | undefined;
  /** This many run first, the rest only if they succeed; absent or null: all at once. */
  readonly canaries?: number | null;
  readonly overrides?: Overrides;
  /** The corrected job file, for `--with`; `overrides` take precedence. */
  readonly correction?: CorrectedFile | null;
  /** True only reports what would be retried. */
  readonly dryRun?: boolean;
}

interface RetryResult {
  readonly view: JobView;
  /** The new round; null if there was nothing to retry, and in a dry run. */
  readonly round: number | null;
  readonly choice: RetryChoice;
  /** The changes to the tasks since they last ran. */
  readonly changes: readonly Change[];
  /** Messages sent; none for a paused job, whose `resume` sends them. */
  readonly sent: number;
}

/**
 * Retries tasks that failed for good, in a new round: mark, entry, messages, in that order, so that any process that
 * finds the mark can complete the sending; a corrected program is stored before. A job that was closed as failed, and whose
 * failed tasks were published since, continues in a round without tasks. So does one that control totals failed, if the
 * corrected file has others: it is judged by them at once. Otherwise nothing is written if nothing failed.
 * Throws `refused` for a cancelled job, for a named task that did not fail for good or was skipped, for tasks that an
 * opened gather left out, for changes that nothing would run with, for another job's file, and while an output is lost
 * that can't be made again.
 */
export async function retry(platform: Platform, seen: JobView, options: RetryOptions = {}): Promise<RetryResult> {
  const { tasks = [], causes = [], only, canaries = null, correction = null, dryRun = false } = options;
  let view = await refreshView(platform.store, seen);
  for (;;) {
    requireLegal(view, 'retry');
    const ofCauses = await tasksOfCauses(platform, view, causes, 'failed');
    const listed = await listFacts(platform.store, view);
    refuseLostFiles(view, listed);
    const choice = chooseRetry(view, listed, { tasks, only, canaries, among: ofCauses });
    refuseInvalidChoice(view, choice, tasks.length > 0, ofCauses !== null);
    const overrides = overridesFor(view, options);
    const changes = await changesFor(platform.store, view, choice.tasks, overrides, correction);
    const isAll = tasks.length === 0 && ofCauses === null && only === undefined;
    const none = choice.count === 0 && isAll;
    const rejudges = none && isJudgedAnew(view, overrides);
    const continues = rejudges || (none && noLongerFails(view, listed));
    if (choice.count === 0 && !continues) {
      refuseUnused(view, overrides);
      // An earlier call applied this file, and died before its look.
      const died = none && !dryRun && view.closed === null && isSameJson(view.overrides, overrides);
      const now = died ? (await lookAndNotify(platform, view)).view : view;
      return { view: now, round: null, choice, changes: [], sent: 0 };
    }
    if (dryRun) return { view, round: null, choice, changes, sent: 0 };
    if (correction !== null) await storeCorrectedCode(platform.store, correction);
    const { stopped } = view;
    const begun = continues ? { ...choice, opened: openedSteps(view, listed) } : choice;
    const { view: after, round } = await startRetryRound(platform, view, begun, overrides);
    view = after;
    // Another entry came first and may include the failed tasks, so choose again.
    if (round === null) continue;
    await recordView(platform, view);
    if (rejudges) return { view: (await lookAndNotify(platform, view)).view, round, choice, changes, sent: 0 };
    const facts = await listFacts(platform.store, view);
    const asked = choice.canaries ?? choice.tasks;
    // A retry ends a `stop`: tasks that were given up continue too, even if only some were named.
    const among = stopped === null && !continues ? asked : null;
    const sent = view.paused === null ? await sendUndecided(platform, view, standingOf(view, facts), among) : 0;
    return { view, round, choice, changes, sent };
  }
}

/** Whether control totals failed the job, and other ones would be compared with the same outputs now. */
function isJudgedAnew({ record, overrides: before, closed }: JobView, overrides: Overrides): boolean {
  const after = foldOverrides(before, overrides);
  return closed?.reason === UNMET_REASON && !isSameJson(changedExpect(record, before), changedExpect(record, after));
}

/** Names of the opened gathers and steps behind an `explode`: a round without tasks requests none of theirs. */
function openedSteps({ record: { spec } }: JobView, facts: readonly StepFacts[]): readonly string[] {
  return spec.steps.flatMap(({ name }, index) =>
    hasBarrier(spec.steps, index) && facts[index]?.opened != null ? [name] : [],
  );
}

/** A corrected file replaces the changes of earlier rounds; flags apply on top. */
function overridesFor(view: JobView, { overrides = {}, correction }: RetryOptions): Overrides {
  return correction ? foldOverrides(correctedOverrides(view, correction), overrides) : overrides;
}

/** Starts a round: its mark, then its entry, if the journal is still as in `view`; otherwise null. */
export async function startRetryRound(
  platform: Platform,
  view: JobView,
  { tasks, canaries, opened }: Pick<RetryChoice, 'tasks' | 'canaries'> & { readonly opened?: readonly string[] },
  overrides: Overrides,
): Promise<{ readonly view: JobView; readonly round: number | null }> {
  const round = view.round + 1;
  const entry = { what: 'retry', round, tasks, canaries, overrides, ...(opened && { opened }) } as const;
  const { view: after, appended } = await beginRound(platform, view, entry);
  return { view: after, round: appended ? round : null };
}

/** Throws `refused` for changes that no task would run with. Those of an earlier round are none: a repeated call passes. */
function refuseUnused(view: JobView, overrides: Overrides): void {
  const { record, closed } = view;
  const changes = changesOf(record, [view.overrides], foldOverrides(view.overrides, overrides), 0);
  if (changes.length === 0) return;
  const what = `no task of job ${record.job} that failed for good is left, so nothing would run with the change of`;
  throw new BatchctlError('refused', `${what} ${changes.map(({ field }) => field).join(', ')}`, {
    hint:
      closed === null
        ? `for tasks that have not run yet: batchctl pause ${record.job}, then batchctl resume ${record.job} --with JOBFILE`
        : 'to run all its tasks with it, submit the job again; with its run key: --again',
  });
}

/** Throws `refused`, naming the first task that can't be retried. */
function refuseInvalidChoice(
  view: JobView,
  { count, leftOut, notFailed, skipped }: RetryChoice,
  named: boolean,
  byCause: boolean,
): void {
  const { job } = view.record;
  if (skipped[0] !== undefined) {
    throw new BatchctlError('refused', `task ${skipped[0]} of job ${job} was skipped, so nothing waits for it`, {
      hint: `batchctl skip ${job} --task ${skipped[0]} --undo, then retry it`,
    });
  }
  if (notFailed[0] !== undefined) {
    throw new BatchctlError('refused', `task ${notFailed[0]} of job ${job} did not fail for good`, {
      hint: `batchctl tasks ${job} --task ${notFailed[0]}`,
    });
  }
  const sets = Object.entries(leftOut).map(([step, set]) => `${step}/${set}`);
  if (sets.length > 0 && (named || count === 0)) {
    throw new BatchctlError(
      'refused',
      `job ${job} has continued without ${sets.join(' and ')} (a gather or an explode took the other outputs): too late to retry`,
      { hint: 'submit the job again for a result that includes them' },
    );
  }
  if (byCause && count === 0) {
    throw new BatchctlError('refused', `no task with that cause can be retried: they were skipped`, {
      hint: `batchctl failures ${job}`,
    });
  }
}
