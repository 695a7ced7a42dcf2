import { BatchctlError, isKind } from '../../errors.ts';
import {
  type JobStanding,
  type NextMove,
  type StepFacts,
  standingOf,
  TOO_MANY_FILES_REASON,
} from '../../model/decide.ts';
import { takesFiles } from '../../model/job.ts';
import { type EntryKind, UNMET_REASON } from '../../model/journal.ts';
import { OPEN_PREFIX, openMark, parseOpenMark } from '../../model/keys.ts';
import { changedExpect } from '../../model/overrides.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { isDeliveredByWatchers, putDueMark } from '../deliver/deliver.ts';
import { completeShards, openExploded } from '../explode.ts';
import { type AppendResult, append, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { putNewsMark } from '../notify/news-mark.ts';
import { ifLedgerAvailable, ledgerJob, updateStaleRecord } from '../record-view.ts';
import { completeOpened, decideOpening, putOpened, sendTasks, sendUndecided } from '../send.ts';
import { expectationsOf, isUnmet, recordExactCounts } from '../totals.ts';

export interface Look {
  readonly view: JobView;
  readonly standing: JobStanding;
  /** The actions of this look, in order. */
  readonly did: readonly NextMove['move'][];
}

interface LookOptions {
  /** Whether to complete a close that its process left incomplete. */
  readonly finishes?: () => boolean;
  /** Resolves when this process has written its attempts to the ledger: after a close they would not be counted. */
  readonly recorded?: (() => Promise<void>) | undefined;
}

/**
 * The work of every watcher (law 9): lists the job exactly and makes all due moves: opens gathers and explode
 * sections, sends what canaries held back, closes the job. Any number may look at once; each move is create-if-absent,
 * so only one succeeds.
 */
export async function look(
  platform: Platform,
  seen: JobView,
  { finishes = () => true, recorded = async () => undefined }: LookOptions = {},
): Promise<Look> {
  const did: NextMove['move'][] = [];
  let view = await refreshView(platform.store, seen);
  const wasClosed = view.closed !== null;
  let relisted = false;
  for (;;) {
    const facts = await listFacts(platform.store, view);
    // A listing while objects are being removed decides nothing.
    if (view.pruned !== null) return { view, standing: standingOf(view, facts), did };
    await completeOpened(platform.store, view);
    await completeShards(platform, view, facts);
    const standing = standingOf(view, facts);
    const move = standing.next;
    if (move.move === 'wait') {
      // If another process closed the job, that one updates the ledger; otherwise every worker of a large grid would.
      if (wasClosed && finishes()) await finishClose(platform, view, facts);
      await updateStaleRecord(platform, view);
      return { view, standing, did };
    }
    did.push(move.move);
    if (move.move === 'close') {
      await recorded();
      const closed = await close(platform, view, facts, move);
      view = closed.view;
      if (closed.appended) {
        if (closed.told) await platform.store.delete(await marksOfClose(platform, view));
        return { view, standing, did };
      }
    } else {
      try {
        view = await makeMove(platform, view, facts, move);
      } catch (error) {
        // An output is gone since it was listed: the next listing says what that means.
        if (!isKind(error, 'proof') || relisted) throw error;
        relisted = true;
        view = await refreshView(platform.store, view);
      }
    }
    if (did.length > 100)
      throw new BatchctlError('unexpected', `job ${view.record.job} makes no progress: ${did.slice(-3).join(', ')}`);
  }
}

async function makeMove(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
  move: Exclude<NextMove, { move: 'wait' | 'close' }>,
): Promise<JobView> {
  switch (move.move) {
    case 'open':
      return open(platform, view, facts, move);
    case 'retry-rest':
      return requestRest(platform, view, move.round);
    default:
      return move satisfies never;
  }
}

async function open(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
  move: NextMove & { move: 'open' },
): Promise<JobView> {
  if (!takesFiles(view.record.spec.steps, move.step)) return openGather(platform, view, move);
  const after = await openExploded(platform, view, move);
  return after === 'tooMany' ? (await close(platform, view, facts, TOO_MANY_FILES)).view : after;
}

const TOO_MANY_FILES = { move: 'close', state: 'failed', reason: TOO_MANY_FILES_REASON } as const;

/**
 * Writes opened.json once; the writer then sends the gather's task. A resend completes an interrupted opening. If tasks
 * are left out, an entry comes first, so that it and a retry of those tasks compete for one journal number.
 */
async function openGather(platform: Platform, view: JobView, move: NextMove & { move: 'open' }): Promise<JobView> {
  const step = view.record.spec.steps[move.step];
  if (step === undefined) throw new RangeError(`no step ${move.step}`);
  const { job } = view.record;
  const { view: now, opened } = await decideOpening(platform, view, move);
  if (opened === null) return now;
  const mine = await putOpened(platform.store, job, step.name, opened);
  // A concurrent retry includes the gather, so a message of the previous round would be dropped.
  const after = await refreshView(platform.store, now);
  if (mine) await sendTasks(platform, after, move.step, [0], { first: true });
  return after;
}

async function requestRest(platform: Platform, view: JobView, round: number): Promise<JobView> {
  const { view: after, appended } = await append(platform, view, (now) =>
    now.closed === null && now.asked.some((asked) => asked.round === round && !asked.released)
      ? { what: 'retry-rest', round }
      : null,
  );
  if (appended) {
    // List again: tasks that failed in the previous round are requested again now.
    const standing = standingOf(after, await listFacts(platform.store, after));
    await sendUndecided(platform, after, standing);
  }
  return after;
}

/**
 * Writes the end to the journal, then to the ledger, and then removes the open marks up to this round. They stay if the
 * ledger is unavailable, so that the next watcher finds them and updates it. If another entry came first, nothing is
 * written, as this listing belongs to an older journal.
 */
async function close(
  platform: Platform,
  view: JobView,
  facts: readonly StepFacts[],
  move: NextMove & { move: 'close' },
): Promise<AppendResult & { readonly told: boolean }> {
  const ending = await endingOf(platform, view, move);
  if (ending.state === 'succeeded' && isDeliveredByWatchers(platform, view)) {
    await putDueMark(platform, view, view.next, false);
  }
  await putNewsMark(platform, view, view.next);
  const { view: after, appended } = await append(platform, view, (now) => {
    // Entries since the listing may change the decision, so list again.
    if (now.next !== view.next) return null;
    return ending;
  });
  return { view: after, appended, told: appended && (await recordClose(platform, after, facts)) };
}

/** False: the ledger is unavailable. */
function recordClose(platform: Platform, view: JobView, facts?: readonly StepFacts[]): Promise<boolean> {
  return ifLedgerAvailable(async () => {
    await (await platform.ledger()).recordJob(ledgerJob(view));
    await recordExactCounts(platform, view, facts ?? (await listFacts(platform.store, view)));
  });
}

async function endingOf(
  platform: Platform,
  view: JobView,
  move: NextMove & { move: 'close' },
): Promise<EntryKind & { what: 'close' }> {
  const base = { what: 'close', round: view.round } as const;
  if (move.state !== 'succeeded' || changedExpect(view.record, view.overrides).length === 0) {
    return {
      ...base,
      state: move.state,
      reason: move.reason,
      ...(move.detail !== undefined && { detail: move.detail }),
    };
  }
  const unmet = (await expectationsOf(platform.store, view)).filter(isUnmet);
  return unmet.length === 0
    ? { ...base, state: 'succeeded', reason: null }
    : { ...base, state: 'failed', reason: UNMET_REASON };
}

/** Completes an interrupted close: updates the ledger and removes the marks. Does nothing without marks, or if open. */
export async function finishClose(platform: Platform, view: JobView, facts?: readonly StepFacts[]): Promise<void> {
  const marks = await marksOfClose(platform, view);
  if (marks.length === 0) return;
  if (await recordClose(platform, view, facts)) await platform.store.delete(marks);
}

async function marksOfClose(platform: Platform, view: JobView): Promise<readonly string[]> {
  const marks: string[] = [];
  if (view.closed === null) return marks;
  for await (const key of platform.store.keys(`${OPEN_PREFIX}${view.record.job}.`)) {
    const mark = parseOpenMark(key);
    if (mark !== null && mark.round <= view.closed.round) marks.push(openMark(mark.job, mark.round));
  }
  return marks;
}

/** True while a watcher has something to watch: the job isn't closed. */
export function isOpen(view: JobView): boolean {
  const state = stateOf(view);
  return state === 'submitted' || state === 'running' || state === 'paused';
}
