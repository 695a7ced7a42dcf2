import { BUDGET_REASON, type JournalEntry, PERSON_REASON } from './journal.ts';
import type { JobView } from './view.ts';

/**
 * Events that notifications are sent for. `succeeded` · `failed`: it closed otherwise, a cancel included · `late`: it
 * missed its deadline, or is projected to · `paused`: a guard paused it (not a person, who knows it) · `budget`: the
 * guard of a cost limit paused it · `no-start`: nothing of it had run a while after it was due · `stays`: idle workers
 * of a group may not end their machines, whatever the jobs do.
 */
export const EVENTS = ['succeeded', 'failed', 'late', 'paused', 'budget', 'no-start', 'stays'] as const;

export type EventKind = (typeof EVENTS)[number];

export interface Notification {
  readonly on: readonly EventKind[];
  /** `sns:ARN`, `https://...`, `http://` of this machine, or `exec:PROGRAM`. */
  readonly to: string;
  /** A reference to the key that signs the body. Only for http and https; absent: not signed. */
  readonly secret?: string;
}

export function notificationsOf(
  list: readonly (Omit<Notification, 'secret'> & { readonly secret?: string | undefined })[] = [],
): readonly Notification[] {
  return list.map(({ on, to, secret }) => ({ on, to, ...(secret !== undefined && { secret }) }));
}

export interface NewsEvent {
  /** The same from every watcher that finds the event, different for each event: receivers detect duplicates by it. */
  readonly id: string;
  readonly kind: EventKind;
  /** When it happened, ISO-8601 UTC. */
  readonly at: string;
  readonly text: string;
}

/** A notifiable fact in the journal: an end, or a pause by a guard. */
export interface NewsFact {
  readonly entry: number;
  readonly kind: Extract<EventKind, 'succeeded' | 'failed' | 'paused' | 'budget'>;
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'paused';
  readonly when: string;
  readonly reason: string | null;
  readonly detail: string | null;
}

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

/** The store's objects about one notice: an event and a receiver. */
export interface NoticeState {
  /** When each try began, by its number from 0: milliseconds since the epoch on the store's clock. */
  readonly tries: readonly number[];
  readonly sent: boolean;
}

/** What to do for a notice. `wait`: not before then, milliseconds since the epoch · `givenUp`: no more tries. */
export type NoticeMove =
  | { readonly move: 'none' }
  | { readonly move: 'wait'; readonly until: number }
  | { readonly move: 'try'; readonly number: number }
  | { readonly move: 'givenUp' };

/** Longer than a try may take: one that has just begun looks the same as one whose process died. */
const FIRST_WAIT_MS = 60_000;

const LONGEST_WAIT_MS = 3_600_000;

/** A receiver that is away for longer misses the notice. */
const GIVE_UP_MS = 24 * 3_600_000;

/** Waits are extended by up to this share, so that a receiver that comes back doesn't get everything at once. */
const SPREAD = 0.25;

/** What to do for a notice now. `spread`, 0 to 1 and the same in every process, spreads the tries of notices. */
export function noticeMove({ tries, sent }: NoticeState, spread: number, now: number): NoticeMove {
  const [first] = tries;
  const last = tries.at(-1);
  if (sent) return { move: 'none' };
  if (first === undefined || last === undefined) return { move: 'try', number: 0 };
  if (now - first >= GIVE_UP_MS) return { move: 'givenUp' };
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries.length - 1));
  const until = last + wait * (1 + SPREAD * spread);
  return now >= until ? { move: 'try', number: tries.length } : { move: 'wait', until };
}
