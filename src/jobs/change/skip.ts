import { BatchctlError } from '../../errors.ts';
import { type StepFacts, standingOf } from '../../model/decide.ts';
import { foldJournal } from '../../model/fold.ts';
import { hasBarrier, stepIndex } from '../../model/job.ts';
import { isClosed } from '../../model/job-state.ts';
import type { EntryKind, TaskSets } from '../../model/journal.ts';
import { requireLegal } from '../../model/legal.ts';
import { chooseSkip, isTolerated, type SkipChoice } from '../../model/task-choice.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { tasksOfCauses } from '../failures.ts';
import { type AppendResult, append, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { recordView } from '../record-view.ts';
import { beginRound } from '../round-marks.ts';
import { sendUndecided, undecidedSets } from '../send.ts';
import type { TaskName } from '../tasks.ts';
import { lookAndNotify } from '../watch/look-and-notify.ts';

export interface SkipOptions {
  readonly tasks: readonly TaskName[];
  /** Ids of causes, or unique prefixes: their tasks are included. */
  readonly causes?: readonly string[];
  /** The index of the only step to choose from; without tasks and causes, all of its failed (or skipped) tasks. */
  readonly only?: number | undefined;
  /** The reason; not kept for an undo. */
  readonly reason: string;
  readonly undo?: boolean;
  /** True only reports what would be skipped. */
  readonly dryRun?: boolean;
}

type SkipEntry = EntryKind & { readonly what: 'skip' | 'unskip' };

interface SkipResult {
  readonly view: JobView;
  readonly choice: SkipChoice;
  /** False if everything was already so, and in a dry run. */
  readonly changed: boolean;
  /** Messages sent, except that of a gather that could open now. */
  readonly sent: number;
}

/**
 * Continues without tasks that failed for good or are undecided, by name; or undoes that. Reopens a closed job in a new
 * round: the mark comes first, then the entry, so that a concurrent close deletes only older marks, and any process
 * that finds this mark can complete the skip. An undo that requests tasks also gets a new round, because workers'
 * reports for an older round would not count. Then looks once, so that a gather that can open does. Throws `refused`
 * for a cancelled job, a published task, a task that was never requested, and the undo of a skip that an opened gather
 * relies on.
 */
export async function skip(platform: Platform, seen: JobView, options: SkipOptions): Promise<SkipResult> {
  const { tasks, causes = [], only, undo = false } = options;
  const what = undo ? 'unskip' : 'skip';
  let view = await refreshView(platform.store, seen);
  for (;;) {
    requireLegal(view, what);
    const among = await tasksOfCauses(platform, view, causes, 'all');
    const facts = await listFacts(platform.store, view);
    const choice = chooseSkip(view, facts, { tasks, among, only, undo });
    refuseInvalidChoice(view, choice);
    if (options.dryRun) return { view, choice, changed: false, sent: 0 };
    // The look completes a skip that died between its entry and its look.
    if (choice.count === 0)
      return { view: (await lookAndNotify(platform, view)).view, choice, changed: false, sent: 0 };
    const entry = entryOf(view, facts, choice, options);
    const { view: after, appended } = await appendSkip(platform, view, entry);
    view = after;
    // Another entry came first and may decide the chosen tasks differently.
    if (!appended) continue;
    await recordView(platform, view);
    const sent = await sendAfterSkip(platform, view, choice, entry);
    return { view: (await lookAndNotify(platform, view)).view, choice, changed: true, sent };
  }
}

function appendSkip(platform: Platform, view: JobView, entry: SkipEntry): Promise<AppendResult> {
  const { round } = entry;
  if (round !== undefined) return beginRound(platform, view, { ...entry, round });
  return append(platform, view, (now) => (now.next === view.next ? entry : null));
}

function entryOf(
  view: JobView,
  facts: readonly StepFacts[],
  { tasks, failed }: SkipChoice,
  { undo, reason }: SkipOptions,
): SkipEntry {
  const round = isClosed(stateOf(view)) ? { round: view.round + 1 } : {};
  if (undo) {
    const asked = undecidedAfterUndo(view, facts, tasks);
    return asked === null
      ? { what: 'unskip', tasks, ...round }
      : { what: 'unskip', tasks, round: view.round + 1, asked };
  }
  const entry = { what: 'skip', tasks, reason, failed, ...round } as const;
  if (view.stopped === null) return entry;
  const after = foldJournal(view, [{ format: 1, id: '', when: '', who: '', ...entry }]);
  return isTolerated(after, facts) ? { ...entry, unstop: true } : entry;
}

/** The tasks that are undecided once their skip is undone; null for none. */
function undecidedAfterUndo(view: JobView, facts: readonly StepFacts[], tasks: TaskSets): TaskSets | null {
  const after = foldJournal(view, [{ format: 1, id: '', when: '', who: '', what: 'unskip', tasks }]);
  const asked = undecidedSets(standingOf(after, facts), tasks);
  return Object.keys(asked).length === 0 ? null : asked;
}

/** An undo requests what is undecided again; a skip that ends a `stop` requests everything that was given up. */
async function sendAfterSkip(
  platform: Platform,
  view: JobView,
  { tasks }: SkipChoice,
  entry: SkipEntry,
): Promise<number> {
  const all = entry.what === 'skip' && entry.unstop === true;
  if (view.paused !== null || view.stopped !== null || (entry.what === 'skip' && !all)) return 0;
  const standing = standingOf(view, await listFacts(platform.store, view));
  return sendUndecided(platform, view, standing, all ? null : tasks);
}

function refuseInvalidChoice(view: JobView, { published, unasked, leftOut }: SkipChoice): void {
  const { job } = view.record;
  if (published[0] !== undefined) {
    throw new BatchctlError('refused', `can't skip task ${published[0]} of job ${job}: it is published`, {
      hint: `batchctl tasks ${job} --task ${published[0]}`,
    });
  }
  if (unasked[0] !== undefined) {
    const [name = '', number = ''] = unasked[0].split('/');
    const { steps } = view.record.spec;
    const waits = hasBarrier(steps, stepIndex(view.record.spec, name));
    throw new BatchctlError(
      'refused',
      `can't skip task ${unasked[0]} of job ${job}: it ${waits ? 'waits for all preceding tasks' : 'has no input yet, or never will'}`,
      {
        hint: waits
          ? `skip the failed tasks before it: batchctl failures ${job} lists them`
          : `skip the task that it waits for, such as ${steps[0]?.name}/${number}`,
      },
    );
  }
  if (leftOut[0] !== undefined) {
    throw new BatchctlError(
      'refused',
      `can't undo the skip of task ${leftOut[0]} of job ${job}: the step that waited for it has opened without it`,
      { hint: 'submit the job again for a result that includes it' },
    );
  }
}
