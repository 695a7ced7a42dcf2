import { BatchctlError } from '../../errors.ts';
import type { VerifyAnswer } from '../../model/answers/verify.ts';
import { type JobStanding, standingOf } from '../../model/decide.ts';
import { hasBarrier, type JobRecord, sectionStart } from '../../model/job.ts';
import { failedPrefix, outKey, taskOfFailed, triesPrefix } from '../../model/keys.ts';
import { type AttemptEvent, type ExactCounts, UNKNOWN_FACTS } from '../../model/ledger/records.ts';
import type { OutputMeta } from '../../model/output.ts';
import { formatTaskSet, type TaskBits, tasksIn } from '../../model/task-set.ts';
import { type Finding, Findings } from '../../model/verify/findings.ts';
import type { JobView } from '../../model/view.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { instantIn, readFailureObject, UNREADABLE } from '../failures.ts';
import { append, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { refuseLostFiles } from '../lost-files.ts';
import { refusePruned } from '../pruned.ts';
import { ledgerJob, recordView } from '../record-view.ts';
import { beginRound } from '../round-marks.ts';
import { sendTasks, undecidedSets } from '../send.ts';
import { exactOf, TotalsSum } from '../totals.ts';
import { type Look, look } from '../watch/look.ts';
import { scanStep } from './scan-outputs.ts';
import { createContext, type VerifyOptions } from './verify-context.ts';

export interface RepairResult extends NonNullable<VerifyAnswer['repair']> {
  readonly view: JobView;
}

interface RepairOptions extends VerifyOptions {
  /** Report what would be sent; write nothing. */
  readonly dryRun?: boolean;
}

/** Attempts to append while other processes write to the same journal. */
const TRIES = 20;

/**
 * Rebuilds the ledger's rows of a job from the store, and sends what is missing. For an open job it sends at once, as
 * `resume` does. It reopens a closed job by retrying the missing tasks in a new round. A job that is paused, cancelled
 * or stopped stays so. Of a closed job it first removes the outputs that were made from an input that was made again
 * since (ADR 53), and what was made from them: then these are missing, too. Throws `refused` if files of such an output,
 * or of one that is lost, are tasks already, `unavailable` if others keep writing to the job's journal.
 */
export async function repairJob(platform: Platform, seen: JobView, options: RepairOptions = {}): Promise<RepairResult> {
  const view = await refreshView(platform.store, seen);
  refusePruned(view, 'its parts');
  if (!view.cancelled) refuseLostFiles(view, await listFacts(platform.store, view));
  if (options.dryRun === true) {
    const plan = planRepair(view, standingOf(view, await listFacts(platform.store, view)));
    const replaced = isReplaceable(view) ? staleSets(view, await staleOutputs(platform, view, options)) : {};
    return { ...plan, replaced, reopened: plan.reopened || Object.keys(replaced).length > 0 };
  }
  const { events, exact, stale } = await rebuildLedger(platform, view, options);
  const replaced = await removeStale(platform, view, stale);
  for (let round = 0; round < TRIES; round += 1) {
    const found = await look(platform, view);
    refusePruned(found.view, 'its parts');
    const plan = { ...planRepair(found.view, found.standing), recorded: events, replaced };
    // A newer journal entry may have changed the counts.
    if (found.standing.settled && view.closed !== null && found.view.next === view.next && !view.cancelled)
      await (await platform.ledger()).recordExact(view.record.job, view.closed.round, exact);
    if (found.standing.settled || plan.withheld !== null || sentSince(view, found.view)) return plan;
    const after = await (found.view.closed === null ? resend(platform, found) : reopen(platform, found));
    if (after === null) continue;
    return { ...plan, view: after, sent: await sendFirst(platform, after, found.standing) };
  }
  throw new BatchctlError('unavailable', `the journal of ${view.record.job} changed each time it was read`, {
    hint: `run batchctl verify ${view.record.job} --repair again`,
  });
}

function planRepair(view: JobView, standing: JobStanding): RepairResult {
  const withheld = view.cancelled ? 'cancelled' : view.stopped !== null ? 'stopped' : view.paused ? 'paused' : null;
  const open = standing.settled || withheld !== null;
  return {
    view,
    recorded: 0,
    sent: 0,
    missing: undecidedSets(standing),
    replaced: {},
    reopened: !open && view.closed !== null,
    withheld: standing.settled ? null : withheld,
  };
}

/** Only of a closed job that no one stopped: elsewhere, workers may be reading the outputs. */
function isReplaceable({ closed, cancelled, stopped, paused }: JobView): boolean {
  return closed !== null && !cancelled && stopped === null && paused === null;
}

/**
 * Removes outputs that were made from another input than theirs is now, unless something was decided about the job since
 * `view` was read: then another repair may have had them made again. Returns their sets by step.
 */
async function removeStale(
  { store }: Platform,
  view: JobView,
  stale: readonly TaskBits[] | null,
): Promise<Readonly<Record<string, string>>> {
  if (!isReplaceable(view)) return {};
  const sets = staleSets(view, stale);
  if (Object.keys(sets).length === 0 || (await refreshView(store, view)).next !== view.next) return {};
  const { job } = view.record;
  // The last step first: after a crash in between, each output that is left still shows that its input is another.
  for (const [step, tasks] of Object.entries(sets).reverse()) {
    let keys: string[] = [];
    for (const task of tasksIn(tasks)) {
      keys.push(outKey(job, step, task));
      if (keys.length < GROUP) continue;
      await store.delete(keys);
      keys = [];
    }
    if (keys.length > 0) await store.delete(keys);
  }
  return sets;
}

function staleSets({ record }: JobView, stale: readonly TaskBits[] | null): Readonly<Record<string, string>> {
  const { job, spec } = record;
  if (stale === null) {
    throw new BatchctlError(
      'refused',
      `outputs of job ${job} were made from an input that was made again since, but the files of one are tasks already, which can't be replaced`,
      { hint: 'run the job again: batchctl submit JOBFILE --again' },
    );
  }
  const sets = stale.map((tasks, index) => [spec.steps[index]?.name ?? '', formatTaskSet(tasks)] as const);
  return Object.fromEntries(sets.filter(([, tasks]) => tasks !== ''));
}

/** As `InputLinks.stale`, by reading the metadata of all outputs. */
async function staleOutputs(
  platform: Platform,
  view: JobView,
  options: VerifyOptions,
): Promise<readonly TaskBits[] | null> {
  const ctx = await createContext(platform, view, 0, { ...options, deep: false });
  let before: TaskBits | null = null;
  for (const index of view.record.spec.steps.keys()) before = (await scanStep(ctx, index, before)).facts.published;
  return ctx.links.stale();
}

/** Another repair, retry or resend came in between, and its process sends. If it dies first, watchers send (law 9). */
function sentSince(before: JobView, now: JobView): boolean {
  return now.round > before.round || now.resends > before.resends;
}

/** Null if the journal moved: the missing tasks must then be computed again. */
async function resend(platform: Platform, { view, standing }: Look): Promise<JobView | null> {
  const { view: after, appended } = await append(platform, view, (now) =>
    now.next === view.next ? { what: 'resend', tasks: undecidedSets(standing), after: now.next } : null,
  );
  return appended ? after : null;
}

/** Writes the open mark before the entry, so that a reopened job has a mark even after a crash in between. */
async function reopen(platform: Platform, { view, standing }: Look): Promise<JobView | null> {
  const round = view.round + 1;
  const entry = { what: 'retry', round, tasks: undecidedSets(standing), canaries: null, overrides: {} } as const;
  const { view: after, appended } = await beginRound(platform, view, entry);
  if (!appended) return null;
  await recordView(platform, after);
  return after;
}

/** Sends the first section's missing tasks. A gather that lacks earlier outputs can't run yet: watchers send it. */
async function sendFirst(platform: Platform, view: JobView, standing: JobStanding): Promise<number> {
  const { steps } = view.record.spec;
  const first = standing.steps.findIndex(({ undecided }) => undecided.count > 0);
  let sent = 0;
  for (const [index, { undecided }] of standing.steps.entries()) {
    if (undecided.count === 0 || sectionStart(steps, index) !== sectionStart(steps, first)) continue;
    sent += await sendTasks(platform, view, index, undecided);
  }
  return sent;
}

interface RebuildResult {
  /** Events sent to the ledger; those that it already knew changed nothing. */
  readonly events: number;
  /** The store's counts for each step that has opened: exact for a job that is closed and settled. */
  readonly exact: readonly ExactCounts[];
  /** Failures that can't be read completely: they count, but their details are unknown. */
  readonly damaged: readonly Finding[];
  /** As `InputLinks.stale`. */
  readonly stale: readonly TaskBits[] | null;
}

/** Events per group commit. */
const GROUP = 500;

/** tries/<task>.<round>.<attempt>, and no mark of an attempt that began. */
const TRY = /\/tries\/(\d{9})\.(\d+)\.([a-z0-9]+)$/;

/**
 * Writes everything that the store knows of a job to the ledger: each published output, each failed attempt, each
 * permanent failure. Idempotent, and only moves forward (law 1). Memory holds one group of events. A failure that can't
 * be read is recorded with what is known of it.
 */
export async function rebuildLedger(
  platform: Platform,
  view: JobView,
  options: VerifyOptions = {},
): Promise<RebuildResult> {
  const ledger = await platform.ledger();
  await ledger.recordJob(ledgerJob(view));
  const writer = new EventWriter(ledger);
  const exact: ExactCounts[] = [];
  const damaged = new Findings();
  let before: TaskBits | null = null;
  let isOpen = true;
  const ctx = await createContext(platform, view, 0, { ...options, deep: false });
  for (const [index, { name }] of view.record.spec.steps.entries()) {
    const sum = new TotalsSum();
    const { facts } = await scanStep(ctx, index, before, (task, meta) => {
      sum.add(meta);
      return writer.add(doneEvent(view.record, name, task, meta));
    });
    for await (const event of failures(platform, view.record.job, name, damaged)) await writer.add(event);
    isOpen &&= !hasBarrier(view.record.spec.steps, index) || facts.opened !== null;
    // Tasks that never opened may still run in this round, and must count.
    if (isOpen) exact.push(exactOf(name, facts, sum.totals()));
    before = facts.published;
  }
  await writer.flush();
  return { events: writer.count, exact, damaged: damaged.list(), stale: ctx.links.stale() };
}

class EventWriter {
  readonly #ledger: Ledger;
  #waiting: AttemptEvent[] = [];
  count = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  add(event: AttemptEvent): Promise<void> | undefined {
    this.#waiting.push(event);
    this.count += 1;
    return this.#waiting.length < GROUP ? undefined : this.flush();
  }

  async flush(): Promise<void> {
    const events = this.#waiting;
    this.#waiting = [];
    if (events.length > 0) await this.#ledger.record(events);
  }
}

/** Failed attempts first, so that the failure for good replaces its own attempt. */
async function* failures(
  platform: Platform,
  job: string,
  step: string,
  damaged: Findings,
): AsyncGenerator<AttemptEvent> {
  const { store } = platform;
  const ledger = await platform.ledger();
  for await (const key of store.keys(triesPrefix(job, step))) {
    const [, task, round, attempt] = TRY.exec(key) ?? [];
    if (attempt === undefined) continue;
    const of = { job, step, task: Number(task), round: Number(round), attempt };
    const event = await failureEvent(store, key, of, damaged);
    if (event !== null) yield { ...event, outcome: 'failedAttempt' };
  }
  for await (const key of store.keys(failedPrefix(job, step))) {
    const named = taskOfFailed(key);
    if (named === null) continue;
    const event = await failureEvent(store, key, { job, step, ...named, attempt: NO_ATTEMPT }, damaged);
    if (event === null) continue;
    if (event.attempt !== NO_ATTEMPT || !(await isKnown(ledger, event))) yield { ...event, outcome: 'failed' };
  }
}

/** The attempt id that a worker records if nothing ran; used here if the attempt can't be read. */
const NO_ATTEMPT = 'none';

/** True if the ledger knows a failure of this task and round: one with an unknown attempt would be a duplicate. */
async function isKnown(ledger: Ledger, { job, step, task, round }: Omit<AttemptEvent, 'outcome'>): Promise<boolean> {
  const known = await ledger.attempts(job, step, task);
  return known.some((each) => each.outcome === 'failed' && each.round === round && each.attempt !== NO_ATTEMPT);
}

async function failureEvent(
  store: ObjectStore,
  key: string,
  of: Pick<AttemptEvent, 'job' | 'step' | 'task' | 'round' | 'attempt'>,
  damaged: Findings,
): Promise<Omit<AttemptEvent, 'outcome'> | null> {
  const found = await readFailureObject(store, key);
  if (found === null) return null;
  const { attempt, number, worker, exitCode, reason, error, problem } = found;
  if (problem !== null) damaged.add('failureUnreadable', problem);
  const told = found.startedAt ?? found.endedAt;
  // The time of writing is close to the end of the attempt.
  const ended = found.endedAt ?? told ?? (await store.head(key))?.modified ?? 0;
  return {
    ...of,
    ...UNKNOWN_FACTS,
    // The store doesn't keep it.
    slot: 0,
    attempt: attempt ?? of.attempt,
    number: number ?? 1,
    worker: worker ?? 'unknown',
    exitCode,
    reason: reason ?? UNREADABLE,
    error,
    startedAt: told ?? ended,
    endedAt: ended,
  };
}

function doneEvent({ job, createdAt }: JobRecord, step: string, task: number, meta: OutputMeta): AttemptEvent {
  const { round, attempt, number, worker, cpuSeconds, peakMemory, bytesIn, bytesOut, counters } = meta;
  const ended = instantIn(meta.endedAt) ?? instantIn(meta.startedAt) ?? Date.parse(createdAt);
  return {
    ...UNKNOWN_FACTS,
    // The store doesn't keep it.
    slot: 0,
    job,
    step,
    task,
    round,
    attempt,
    number,
    worker,
    outcome: 'done',
    exitCode: 0,
    cpuSeconds,
    peakMemory,
    bytesIn,
    bytesOut,
    counters,
    startedAt: instantIn(meta.startedAt) ?? ended,
    endedAt: ended,
  };
}
