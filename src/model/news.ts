import { BUDGET_REASON, type JournalEntry, PERSON_REASON } from './journal.ts';
import type { NewsEvent } from './notify.ts';
import type { JobView, NewsFact } from './view.ts';

/** How long after it was due a job must have run something, milliseconds: machines boot, and queues are shared. */
export const NO_START_MS = 15 * 60_000;

/** The facts after the journal's entry number `before.next`. */
export function newsAfter(before: JobView, entry: JournalEntry): readonly NewsFact[] {
  const at = { entry: before.next, when: entry.when };
  if (entry.what === 'close') {
    const { state, reason } = entry;
    return [...before.news, { ...at, kind: state === 'succeeded' ? state : 'failed', state, reason, detail: null }];
  }
  if (entry.what !== 'pause' || entry.reason === PERSON_REASON) return before.news;
  const { reason, detail = null } = entry;
  return [
    ...before.news,
    { ...at, kind: reason === BUDGET_REASON ? 'budget' : 'paused', state: 'paused', reason, detail },
  ];
}

/** The events in a job's journal, and those that the clock gives (milliseconds since the epoch). */
export function eventsOf(view: JobView, now: number): readonly NewsEvent[] {
  const { job } = view.record;
  const journaled = view.news.map((fact) => ({
    id: `${job}.${fact.entry}.${fact.kind}`,
    kind: fact.kind,
    at: fact.when,
    text: factText(job, fact),
  }));
  const late = missedDeadline(view, now) ? lateEvent(view, null) : null;
  return late === null ? journaled : [...journaled, late];
}

/** True once the deadline has passed while the job is open, or if it closed later. Cancelling has its own event. */
function missedDeadline({ finishBy, closed, cancelled }: JobView, now: number): boolean {
  if (finishBy === null || cancelled) return false;
  return (closed === null ? now : Date.parse(closed.when)) > Date.parse(finishBy);
}

/**
 * The event that a job misses its deadline: one per deadline, whether it was projected (when the job will end, ISO-8601
 * UTC) or has happened. Null for a job without one.
 */
export function lateEvent(view: JobView, projected: string | null): NewsEvent | null {
  const { finishBy } = view;
  if (finishBy === null) return null;
  const { job } = view.record;
  const how = projected === null ? 'has passed' : `will be missed: the projected end is ${projected}`;
  return {
    id: `${job}.${finishBy.replace(/[-:]|[.]\d+/g, '')}.late`,
    kind: 'late',
    at: projected === null ? finishBy : new Date(Math.min(Date.parse(projected), Date.parse(finishBy))).toISOString(),
    text: `job ${job} is late: its deadline, ${finishBy}, ${how}`,
  };
}

/** When a job without a run task counts as late in starting, milliseconds since the epoch; null if none may run. */
export function noStartAt(view: JobView): number | null {
  if (view.closed !== null || view.cancelled || view.paused !== null || view.stopped !== null) return null;
  const due = Date.parse(view.notBefore ?? view.record.createdAt);
  // While it was paused nothing of it could run.
  const resumed = view.resumedWhen === null ? due : Date.parse(view.resumedWhen);
  return Math.max(due, resumed) + NO_START_MS;
}

/** The event that no task of a job has run, though it was due. */
export function noStartEvent({ notBefore, record: { job, createdAt } }: JobView): NewsEvent {
  const at = notBefore ?? createdAt;
  return { id: `${job}.no-start`, kind: 'no-start', at, text: `job ${job} was due at ${at}, but none of it has run` };
}

/** The event that a period of a schedule did not become a job. `at`: when it was due, milliseconds since the epoch. */
export function missedEvent(schedule: string, period: string, at: number, why: string): NewsEvent {
  const due = new Date(at).toISOString();
  return {
    id: `${schedule}@${period}.no-start`,
    kind: 'no-start',
    at: due,
    text: `schedule ${schedule} did not run ${period}, which was due at ${due}: ${why}`,
  };
}

/** The event that a group's idle machines run on: one a day of UTC. `found`: why, and what they cost. `now`: milliseconds. */
export function stayEvent(group: string, now: number, found: string): NewsEvent {
  const at = new Date(now).toISOString();
  return { id: `${group}@${at.slice(0, 10)}.stays`, kind: 'stays', at, text: `group ${group}: ${found}` };
}

function factText(job: string, { state, reason, detail }: NewsFact): string {
  const why = `${reason === null ? '' : ` (${reason})`}${detail === null ? '' : `: ${detail}`}`;
  if (state === 'cancelled') return `job ${job} was cancelled`;
  return `job ${job} ${state === 'paused' ? 'is paused' : state}${why}`;
}
