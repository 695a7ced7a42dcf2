import { BatchctlError } from '../../errors.ts';
import { type Standing, standingOf } from '../../model/decide.ts';
import { sectionStart } from '../../model/job.ts';
import type { JobView } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { append, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { type Look, look } from '../look.ts';
import { refusePruned } from '../pruned.ts';
import { recordView } from '../remember.ts';
import { beginRound } from '../round-marks.ts';
import { sendTasks, undecidedSets } from '../send.ts';
import { rebuildLedger } from './rebuild-ledger.ts';
import type { VerifyOptions } from './verify-context.ts';

export interface Repaired {
  readonly view: JobView;
  /** Events that the ledger was told from the store. */
  readonly recorded: number;
  /** Messages sent. */
  readonly sent: number;
  /** Tasks that were missing, as sets by step. */
  readonly missing: Readonly<Record<string, string>>;
  /** The job was closed, and is open again in a new round. */
  readonly reopened: boolean;
  /** Why nothing was sent although something is missing: `paused`, `cancelled`, `stopped`; null otherwise. */
  readonly withheld: 'paused' | 'cancelled' | 'stopped' | null;
}

export interface RepairOptions extends VerifyOptions {
  /** Say what would be sent; write nothing. */
  readonly dryRun?: boolean;
}

/** A journal that others write to as well is read and decided again so often. */
const TRIES = 20;

/**
 * Rebuilds the ledger's rows of a job from the store, and sends what is missing: of an open job at once, as `resume` does;
 * a closed one is opened again by a retry of the missing tasks, in a new round. What a person paused, cancelled or what
 * was stopped stays so. Deletes nothing. Throws `unavailable` if others keep writing to the job's journal meanwhile.
 */
export async function repairJob(platform: Platform, seen: JobView, options: RepairOptions = {}): Promise<Repaired> {
  const view = await refreshView(platform.store, seen);
  refusePruned(view, 'its parts');
  if (options.dryRun === true) return planned(view, standingOf(view, await listFacts(platform.store, view)));
  const { events, exact } = await rebuildLedger(platform, view, options);
  for (let round = 0; round < TRIES; round += 1) {
    const found = await look(platform, view);
    refusePruned(found.view, 'its parts');
    const plan = { ...planned(found.view, found.standing), recorded: events };
    if (found.standing.settled && view.closed !== null && found.view.closed !== null && !found.view.cancelled)
      await (await platform.ledger()).recordExact(view.record.job, found.view.closed.round, exact);
    if (found.standing.settled || plan.withheld !== null || sentSince(view, found.view)) return plan;
    const after = await (found.view.closed === null ? resend(platform, found) : reopen(platform, found));
    if (after === null) continue;
    return { ...plan, view: after, sent: await sendFirst(platform, after, found.standing) };
  }
  throw new BatchctlError('unavailable', `the journal of ${view.record.job} changed each time it was read`, {
    hint: `run batchctl verify ${view.record.job} --repair again`,
  });
}

function planned(view: JobView, standing: Standing): Repaired {
  const withheld = view.cancelled ? 'cancelled' : view.stopped !== null ? 'stopped' : view.paused ? 'paused' : null;
  const open = standing.settled || withheld !== null;
  return {
    view,
    recorded: 0,
    sent: 0,
    missing: undecidedSets(standing),
    reopened: !open && view.closed !== null,
    withheld: standing.settled ? null : withheld,
  };
}

/** Another's repair, retry or resend came in between, and it sends. Should it die before that, onlookers send (law 9). */
function sentSince(before: JobView, now: JobView): boolean {
  return now.round > before.round || now.resends > before.resends;
}

/** Null when the journal moved: then what is missing must be computed again. */
async function resend(platform: Platform, { view, standing }: Look): Promise<JobView | null> {
  const { view: after, appended } = await append(platform.store, view, by(platform), (now) =>
    now.next === view.next ? { what: 'resend', tasks: undecidedSets(standing), after: now.next } : null,
  );
  return appended ? after : null;
}

/** The open mark stands before the entry, so that a job which is open again has one whatever happens in between. */
async function reopen(platform: Platform, { view, standing }: Look): Promise<JobView | null> {
  const round = view.round + 1;
  const entry = { what: 'retry', round, tasks: undecidedSets(standing), canaries: null, overrides: {} } as const;
  const { view: after, appended } = await beginRound(platform, view, entry);
  if (!appended) return null;
  await recordView(platform, after);
  return after;
}

/** Sends the first section's missing tasks. A gather that misses outputs before it can't run yet: onlookers send it later. */
async function sendFirst(platform: Platform, view: JobView, standing: Standing): Promise<number> {
  const { steps } = view.record.spec;
  const first = standing.steps.findIndex(({ undecided }) => undecided.count > 0);
  let sent = 0;
  for (const [index, { undecided }] of standing.steps.entries()) {
    if (undecided.count === 0 || sectionStart(steps, index) !== sectionStart(steps, first)) continue;
    sent += await sendTasks(platform, view, index, undecided);
  }
  return sent;
}

const by = (platform: Platform): { who: string; now: number } => ({ who: platform.who, now: platform.clock.now() });
