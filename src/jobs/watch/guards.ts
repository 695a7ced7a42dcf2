import { formatMany } from '../../lib/units.ts';
import {
  breakerStateOf,
  type FailingStep,
  isBadDeployment,
  isSurvivor,
  MANY_TASKS,
  mayBeBadDeployment,
} from '../../model/breaker.ts';
import { standingOf } from '../../model/decide.ts';
import { causeId } from '../../model/failure.ts';
import { exceedsTolerance } from '../../model/job.ts';
import { CHANGED_REASON, DEPLOYMENT_REASON, HALT_REASON } from '../../model/journal.ts';
import { failedPrefix, journalKey, taskOfFailed, taskOfTry, triesPrefix } from '../../model/keys.ts';
import { aliveMs } from '../../model/ledger/records.ts';
import { type JobView, roundOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { readFailureObject, type StoredFailure, UNREADABLE } from '../failures.ts';
import { append, refreshView } from '../journal.ts';
import { listFacts, listPublished, stepTotals } from '../listing.ts';
import { recordView } from '../record-view.ts';

/** The minimum number of ended tasks for `halt`. */
const HALT_AFTER = 20;

/**
 * Reacts to a failure for good: `onFailure: stop` gives up the rest once more tasks failed than are tolerated, `halt`
 * pauses once too large a share has failed. Counts come from the ledger. Returns the view afterwards.
 */
export async function guardFailures(platform: Platform, view: JobView): Promise<JobView> {
  const { spec } = view.record;
  const halt = spec.halt === 'never' ? null : spec.halt;
  if (spec.onFailure !== 'stop' && halt === null) return view;
  const counts = await (await platform.ledger()).counts(view.record.job);
  const failed = counts.reduce((sum, step) => sum + step.failed, 0);
  const failedAt = spec.steps.map(({ name }) => counts.find(({ step }) => step === name)?.failed ?? 0);
  const ended = failed + counts.reduce((sum, step) => sum + step.done, 0);
  const suspects = spec.onFailure === 'stop' && exceedsTolerance(view, stepTotals(view), failedAt);
  const tooMany = halt !== null && ended >= HALT_AFTER && failed / ended >= halt;
  if (!suspects && !tooMany) return view;
  // Counters only say when to look: they may include an earlier round, and a person may have skipped some tasks.
  const found = await exactFailures(platform, view);
  const halts = halt !== null && found.ended >= HALT_AFTER && found.failed / found.ended >= halt;
  const { view: after, appended } = await append(platform, view, (now) => {
    if (now.cancelled || now.closed !== null) return null;
    if (spec.onFailure === 'stop' && now.stopped === null && exceedsTolerance(now, found.sizes, found.failedAt)) {
      return { what: 'stop', cause: `${found.failed} failed for good` };
    }
    if (halts && now.paused === null && now.stopped === null) return { what: 'pause', now: false, reason: HALT_REASON };
    return null;
  });
  if (appended) await recordView(platform, after);
  return after;
}

/** From the listing: how many chains failed for good without being skipped, and how many tasks have ended. */
async function exactFailures(
  platform: Platform,
  seen: JobView,
): Promise<{
  readonly failed: number;
  readonly ended: number;
  readonly sizes: readonly number[];
  readonly failedAt: readonly number[];
}> {
  const view = await refreshView(platform.store, seen);
  const { steps } = standingOf(view, await listFacts(platform.store, view));
  const failed = steps.reduce((sum, step) => sum + step.failed, 0);
  return {
    failed,
    ended: failed + steps.reduce((sum, step) => sum + step.published, 0),
    sizes: steps.map(({ total }) => total),
    failedAt: steps.map((step) => step.failed),
  };
}

/** The number of newest failures that are read: twice the number of tasks that must have failed. */
const READ = 2 * MANY_TASKS;

/**
 * A worker calls this after several failures in a row in one step. Pauses the job if many tasks fail on many workers
 * and almost none succeeds, or the first ones all fail alike, before every task uses up its attempts. Counters decide whether to list the store; the
 * listing decides. Returns the view afterwards.
 */
export async function guardDeployment(platform: Platform, view: JobView, at: StepRound): Promise<JobView> {
  const { job, spec } = view.record;
  const { index, round } = at;
  const name = spec.steps[index]?.name ?? '';
  // Don't list if the verdict would be ignored.
  if (spec.halt === 'never') return view;
  if (!breakerStateOf(view.tripped, name, round).applies || view.paused !== null || view.closed !== null) return view;
  const counts = (await (await platform.ledger()).counts(job)).find(({ step }) => step === name);
  // Counters span all rounds, so only in the first do they show how little succeeds.
  if (counts === undefined || (round === 0 && !mayBeBadDeployment(counts))) return view;
  const found = await readFailing(platform, view, at);
  // Published outputs are listed last: a retry of few tasks may have a million of them.
  const rest = { survivors: 0, others: 0, running: counts.running, succeeded: 0 };
  if (found === null || !isBadDeployment({ ...found, ...rest })) return view;
  if (!breakerStateOf(view.tripped, name, round, found.alike).applies) return view;
  const others = await workersElsewhere(platform, spec.steps[index]?.group ?? '', found.byWorker);
  let done = 0;
  for (const task of await listPublished(platform.store, job, name, stepTotals(view)[index] ?? 0))
    if (roundOf(view, index, task) === round) done += 1;
  const isBad = (now: JobView, survivors: number): boolean =>
    isBadDeployment({
      ...found,
      survivors,
      others,
      running: counts.running,
      succeeded: succeededSince(now, name, round, done),
    });
  if (!isBad(view, 0)) return view;
  const survivors = await survivorsOf(platform, view, at, found.longest);
  // When everything has ended there is nothing to save: the job closes and reports itself.
  if (!isBad(view, survivors) || standingOf(view, await listFacts(platform.store, view)).settled) return view;
  const { view: after, appended } = await append(platform, view, (now) => {
    if (now.cancelled || now.closed !== null || now.paused !== null || now.stopped !== null) return null;
    // A person who resumed it since the listing has decided otherwise.
    if (now.resumedAt !== view.resumedAt) return null;
    if (!breakerStateOf(now.tripped, name, round, found.alike).applies || !isBad(now, survivors)) return null;
    const succeeded = succeededSince(now, name, round, done);
    const how = `${found.alike === null ? '' : ' alike'} on ${formatMany(found.byWorker.size, 'worker')}`;
    const detail = `${found.tasks} tasks of ${name} failed${how}, and ${succeeded === 0 ? 'none' : `only ${succeeded}`} succeeded; the last error: ${found.said}`;
    const tripped = { step: name, round, done, ...(found.alike !== null && { alike: found.alike }) };
    const reason = found.isChanged ? CHANGED_REASON : DEPLOYMENT_REASON;
    return { what: 'pause', now: false, reason, detail, tripped };
  });
  if (appended) await recordView(platform, after);
  return after;
}

/** The tasks done since a person last resumed after a pause by this guard. */
const succeededSince = ({ tripped }: JobView, step: string, round: number, done: number): number =>
  Math.max(0, done - breakerStateOf(tripped, step, round).done);

interface StepRound {
  readonly index: number;
  readonly round: number;
}

interface Failing extends Pick<FailingStep, 'tasks' | 'byWorker' | 'longest' | 'watched' | 'alike'> {
  /** All of the newest failed because an input has changed: no program can help. */
  readonly isChanged: boolean;
  readonly said: string;
}

interface Named {
  readonly key: string;
  readonly task: number;
  readonly modified: number;
}

/** The round's failed attempts since a person last resumed; null if too few. Times are the store's. */
async function readFailing(platform: Platform, view: JobView, at: StepRound): Promise<Failing | null> {
  const named = (await failuresOf(platform, view, at)).sort((a, b) => a.modified - b.modified);
  const tasks = new Set<number>();
  let enough: number | null = null;
  for (const { task, modified } of named) if (tasks.add(task).size >= MANY_TASKS) enough ??= modified;
  if (enough === null) return null;
  const newest = newestOf(named.reverse());
  const read = await Promise.all(
    newest.map(async ({ key, task }) => ({ task, found: await readFailureObject(platform.store, key) })),
  );
  const speaking = read.filter(({ found }) => found !== null && countsAsFailure(found, view.resumedAt));
  const spoken = new Set(speaking.map(({ task }) => task));
  if (spoken.size < MANY_TASKS) return null;
  const byWorker = new Map<string, Set<number>>();
  for (const { task, found } of speaking) {
    const worker = found?.worker ?? '';
    byWorker.set(worker, (byWorker.get(worker) ?? new Set()).add(task));
  }
  const step = view.record.spec.steps[at.index]?.name ?? '';
  const causes = new Set(
    speaking.map(({ found }) =>
      causeId({
        step,
        exitCode: found?.exitCode ?? null,
        reason: found?.reason ?? UNREADABLE,
        error: found?.error ?? null,
      }),
    ),
  );
  const { found: latest = null } = speaking[0] ?? {};
  return {
    // Only the newest were read: if all of them count, so do the earlier ones.
    tasks: speaking.length === read.length && view.resumedAt === null ? tasks.size : spoken.size,
    byWorker: new Map([...byWorker].map(([worker, its]) => [worker, its.size])),
    longest: Math.max(...speaking.map(({ found }) => ((found?.endedAt ?? 0) - (found?.startedAt ?? 0)) / 1_000)),
    watched: ((newest[0]?.modified ?? enough) - enough) / 1_000,
    alike: causes.size === 1 ? ([...causes][0] ?? null) : null,
    isChanged: speaking.every(({ found }) => found?.reason === 'changed'),
    said: latest?.error ?? latest?.reason ?? 'nothing',
  };
}

/**
 * The newest failures. Where tasks are retried often, these may be of few tasks: then the newest failures of others,
 * too, until there are enough tasks.
 */
function newestOf(named: readonly Named[]): readonly Named[] {
  const newest = named.slice(0, READ);
  const tasks = new Set(newest.map(({ task }) => task));
  for (const each of named.slice(READ)) {
    if (tasks.size >= MANY_TASKS) break;
    if (!tasks.has(each.task)) newest.push(each);
    tasks.add(each.task);
  }
  return newest;
}

/** Live workers of the group on which no task failed. */
async function workersElsewhere(
  { ledger, clock, leaseSeconds }: Platform,
  group: string,
  byWorker: ReadonlyMap<string, number>,
): Promise<number> {
  const workers = await (await ledger()).workers({ since: clock.now() - aliveMs(leaseSeconds) });
  return workers.filter(
    ({ worker, state, group: groups }) =>
      state !== 'gone' && groups.split(',').includes(group) && !byWorker.has(worker),
  ).length;
}

/** At most this many running attempts are inspected. */
const RUNNING = 100;

/** The round's attempts that keep running where others fail. Times are from workers' clocks, which roughly agree. */
async function survivorsOf(
  { ledger, clock }: Platform,
  { record: { job, spec } }: JobView,
  { index, round }: StepRound,
  longest: number,
): Promise<number> {
  const step = spec.steps[index]?.name ?? '';
  const running = await (await ledger()).tasks(job, { step, states: ['running'], limit: RUNNING });
  const now = clock.now();
  return running.filter(
    (task) => task.round === round && task.startedAt !== null && isSurvivor((now - task.startedAt) / 1_000, longest),
  ).length;
}

/** An attempt that a person killed, or that started before the resume, says nothing about current ones. */
const countsAsFailure = ({ reason, entries }: StoredFailure, resumedAt: number | null): boolean =>
  reason !== 'killed' && (resumedAt === null || (entries ?? 0) > resumedAt);

/** Names of every failed attempt of the step in that round, since a person last resumed. */
async function failuresOf(platform: Platform, view: JobView, { index, round }: StepRound): Promise<Named[]> {
  const { job, spec } = view.record;
  const name = spec.steps[index]?.name ?? '';
  const resumed = view.resumedAt === null ? null : await platform.store.head(journalKey(job, view.resumedAt));
  const since = resumed?.modified ?? 0;
  const found: Named[] = [];
  for (const [prefix, taskOf] of [
    [triesPrefix(job, name), taskOfTry],
    [failedPrefix(job, name), taskOfFailed],
  ] as const) {
    for await (const { key, modified } of platform.store.list(prefix)) {
      const at = taskOf(key);
      if (at?.round === round && modified >= since) found.push({ key, task: at.task, modified });
    }
  }
  return found;
}
