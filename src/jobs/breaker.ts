import { guardOf, isBadDeployment, MANY_TASKS, mayBeBad } from '../model/breaker.ts';
import { standingOf } from '../model/decide.ts';
import { DEPLOYMENT } from '../model/journal.ts';
import { failedPrefix, taskOfFailed, taskOfTry, triesPrefix } from '../model/keys.ts';
import { type JobView, roundOf } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { type FailureFound, readFailureObject } from './failure-object.ts';
import { append } from './journal.ts';
import { listFacts, listPublished, stepTotals } from './listing.ts';
import { recordView } from './remember.ts';

/** So many of the newest failures are read: twice those that must have failed. */
const READ = 2 * MANY_TASKS;

/**
 * What a worker on which tasks of a step fail in a row asks: whether many fail on many workers, and next to none
 * succeeds. Then the job pauses, before each of its tasks spends its attempts. Counters say whether the store is
 * listed; the listing decides. Answers the view afterwards.
 */
export async function guardDeployment(platform: Platform, view: JobView, at: StepRound): Promise<JobView> {
  const { job, spec } = view.record;
  const { index, round } = at;
  const name = spec.steps[index]?.name ?? '';
  // Nothing is listed for a verdict that would not be heeded.
  if (!guardOf(view.tripped, name, round).speaks || view.paused !== null || view.closed !== null) return view;
  const counts = (await (await platform.ledger()).counts(job)).find(({ step }) => step === name);
  // Counters go over all rounds: only of the first do they say how little succeeds.
  if (counts === undefined || (round === 0 && !mayBeBad(counts))) return view;
  const found = await failingIn(platform, view, at);
  if (found === null) return view;
  let done = 0;
  for (const task of await listPublished(platform.store, job, name, stepTotals(view)[index] ?? 0))
    if (roundOf(view, index, task) === round) done += 1;
  const isBad = (now: JobView): boolean =>
    isBadDeployment({ ...found, succeeded: succeededSince(now, name, round, done), running: counts.running });
  // Where all has ended there is nothing to save: the job closes, and says so itself.
  if (!isBad(view) || standingOf(view, await listFacts(platform.store, view)).settled) return view;
  const by = { who: platform.who, now: platform.clock.now() };
  const { view: after, appended } = await append(platform.store, view, by, (now) => {
    if (now.cancelled || now.closed !== null || now.paused !== null || now.stopped !== null) return null;
    // A person who resumed it since the listing speaks of something else.
    if (now.resumedAt !== view.resumedAt) return null;
    if (!guardOf(now.tripped, name, round).speaks || !isBad(now)) return null;
    const succeeded = succeededSince(now, name, round, done);
    const detail = `${found.tasks} tasks of ${name} failed on ${found.byWorker.size} workers, and ${succeeded === 0 ? 'none' : `only ${succeeded}`} succeeded; the last said: ${found.said}`;
    return { what: 'pause', now: false, reason: DEPLOYMENT, detail, tripped: { step: name, round, done } };
  });
  if (appended) await recordView(platform, after);
  return after;
}

/** Of the tasks that are done: those since a person last resumed what this guard had paused. */
const succeededSince = ({ tripped }: JobView, step: string, round: number, done: number): number =>
  Math.max(0, done - guardOf(tripped, step, round).done);

/** A step, and the round of its tasks that is looked at. */
export interface StepRound {
  readonly index: number;
  readonly round: number;
}

interface Failing {
  readonly tasks: number;
  readonly byWorker: ReadonlyMap<string, number>;
  readonly said: string;
}

interface Named {
  readonly key: string;
  readonly task: number;
  readonly modified: number;
}

/** The round's failed attempts since a person last resumed; null for too few of them to speak of. */
async function failingIn(platform: Platform, view: JobView, at: StepRound): Promise<Failing | null> {
  const named = await failuresOf(platform, view, at);
  const tasks = new Set(named.map(({ task }) => task));
  if (tasks.size < MANY_TASKS) return null;
  const newest = named.sort((a, b) => b.modified - a.modified).slice(0, READ);
  const read = await Promise.all(
    newest.map(async ({ key, task }) => ({ task, found: await readFailureObject(platform.store, key) })),
  );
  const speaking = read.filter(({ found }) => found !== null && speaks(found, view.resumedAt));
  const spoken = new Set(speaking.map(({ task }) => task));
  if (spoken.size < MANY_TASKS) return null;
  const byWorker = new Map<string, Set<number>>();
  for (const { task, found } of speaking) {
    const worker = found?.worker ?? '';
    byWorker.set(worker, (byWorker.get(worker) ?? new Set()).add(task));
  }
  const { found: latest = null } = speaking[0] ?? {};
  return {
    // Those read are but the newest: where all of them speak, so do those before.
    tasks: speaking.length === read.length && view.resumedAt === null ? tasks.size : spoken.size,
    byWorker: new Map([...byWorker].map(([worker, its]) => [worker, its.size])),
    said: latest?.error ?? latest?.reason ?? 'nothing',
  };
}

/** One that a person killed, or that began by what the journal said before the resume, says nothing of what runs now. */
const speaks = ({ reason, entries }: FailureFound, resumedAt: number | null): boolean =>
  reason !== 'killed' && (resumedAt === null || (entries ?? 0) > resumedAt);

/** Every failed attempt of the step in that round: names alone. */
async function failuresOf(platform: Platform, view: JobView, { index, round }: StepRound): Promise<Named[]> {
  const { job, spec } = view.record;
  const name = spec.steps[index]?.name ?? '';
  const found: Named[] = [];
  for (const [prefix, taskOf] of [
    [triesPrefix(job, name), taskOfTry],
    [failedPrefix(job, name), taskOfFailed],
  ] as const) {
    for await (const { key, modified } of platform.store.list(prefix)) {
      const at = taskOf(key);
      if (at?.round === round) found.push({ key, task: at.task, modified });
    }
  }
  return found;
}
