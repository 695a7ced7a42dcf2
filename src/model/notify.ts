import type { JournalEntry } from './journal.ts';
import type { JobView } from './view.ts';

/**
 * What one can be told of. `succeeded` · `failed`: it closed otherwise, by a cancel too · `late`: it missed its deadline,
 * or is projected to · `paused`: a guard paused it (a person who does knows it) · `budget`: the guard of a cost limit did
 * · `no-start`: nothing of it ran, so long after it was due.
 */
export const EVENTS = ['succeeded', 'failed', 'late', 'paused', 'budget', 'no-start'] as const;

export type EventKind = (typeof EVENTS)[number];

/** Who hears of what, as a job file or a profile says it. */
export interface Notification {
  readonly on: readonly EventKind[];
  /** `sns:ARN`, `https://...`, `http://` of this machine, or `exec:PROGRAM`. */
  readonly to: string;
  /** A reference: what signs the body. Only of http and https; absent: it is not signed. */
  readonly secret?: string;
}

/** A list of them as files have it. */
export function notificationsOf(
  list: readonly (Omit<Notification, 'secret'> & { readonly secret?: string | undefined })[] = [],
): readonly Notification[] {
  return list.map(({ on, to, secret }) => ({ on, to, ...(secret !== undefined && { secret }) }));
}

/** One thing that happened, and that people are told of. */
export interface NewsEvent {
  /** The same whoever finds it, and never that of another event: what receivers know twins by. */
  readonly id: string;
  readonly kind: EventKind;
  /** When it happened, ISO-8601 UTC. */
  readonly at: string;
  /** A sentence. */
  readonly text: string;
}

/** What the journal says that people may be told of: an end, or a pause by a guard. */
export interface NewsFact {
  /** The number of its entry. */
  readonly entry: number;
  readonly kind: Extract<EventKind, 'succeeded' | 'failed' | 'paused' | 'budget'>;
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'paused';
  readonly when: string;
  readonly reason: string | null;
  readonly detail: string | null;
}

/** The reason of a pause by a person. */
const PERSON = 'person';

/** The reason of a pause because of what it costs. */
const BUDGET = 'budget';

/** So long after it was due something of a job must have run, milliseconds: machines boot, and queues take their turns. */
export const NO_START_MS = 15 * 60_000;

/** The facts after an entry that is the journal's `before.next`-th. */
export function newsAfter(before: JobView, entry: JournalEntry): readonly NewsFact[] {
  const at = { entry: before.next, when: entry.when };
  if (entry.what === 'close') {
    const { state, reason } = entry;
    return [...before.news, { ...at, kind: state === 'succeeded' ? state : 'failed', state, reason, detail: null }];
  }
  if (entry.what !== 'pause' || entry.reason === PERSON) return before.news;
  const { reason, detail = null } = entry;
  return [...before.news, { ...at, kind: reason === BUDGET ? 'budget' : 'paused', state: 'paused', reason, detail }];
}

/** The events that a job's journal and the clock (milliseconds since the epoch) give. */
export function eventsOf(view: JobView, now: number): readonly NewsEvent[] {
  const { job } = view.record;
  const told = view.news.map((fact) => ({
    ...{ id: `${job}.${fact.entry}.${fact.kind}`, kind: fact.kind, at: fact.when },
    text: factText(job, fact),
  }));
  const late = missedDeadline(view, now) ? lateEvent(view, null) : null;
  return late === null ? told : [...told, late];
}

/** True once the deadline has passed and the job goes on, or it closed after that. A cancel is told as such. */
function missedDeadline({ finishBy, closed, cancelled }: JobView, now: number): boolean {
  if (finishBy === null || cancelled) return false;
  return (closed === null ? now : Date.parse(closed.when)) > Date.parse(finishBy);
}

/**
 * That a job misses its deadline: one event for each deadline, whether it was projected (when the job will end, ISO-8601
 * UTC) or has come so. Null for a job without one.
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

/** When a job is late in beginning, milliseconds since the epoch, if nothing of it has run by then; null where nothing may run. */
export function startsBy(view: JobView): number | null {
  if (view.closed !== null || view.cancelled || view.paused !== null || view.stopped !== null) return null;
  const due = Date.parse(view.notBefore ?? view.record.createdAt);
  // While it was paused nothing of it could run.
  const resumed = view.resumedWhen === null ? due : Date.parse(view.resumedWhen);
  return Math.max(due, resumed) + NO_START_MS;
}

/** That nothing of a job has run, though it was due. */
export function noStartEvent({ notBefore, record: { job, createdAt } }: JobView): NewsEvent {
  const at = notBefore ?? createdAt;
  return { id: `${job}.no-start`, kind: 'no-start', at, text: `job ${job} was due at ${at}, but none of it has run` };
}

/** That a period of a schedule did not become a job. `at`: when it was due, milliseconds since the epoch. */
export function missedEvent(schedule: string, period: string, at: number, why: string): NewsEvent {
  const due = new Date(at).toISOString();
  return {
    ...{ id: `${schedule}@${period}.no-start`, kind: 'no-start', at: due },
    text: `schedule ${schedule} did not run ${period}, which was due at ${due}: ${why}`,
  };
}

function factText(job: string, { state, reason, detail }: NewsFact): string {
  const why = `${reason === null ? '' : ` (${reason})`}${detail === null ? '' : `: ${detail}`}`;
  if (state === 'cancelled') return `job ${job} was cancelled`;
  return `job ${job} ${state === 'paused' ? 'is paused' : state}${why}`;
}

/** What the store tells of one notice: an event, and one who is told of it. */
export interface NoticeSeen {
  /** When each try began, milliseconds since the epoch by the store's clock; by its number, from 0. */
  readonly tries: readonly number[];
  readonly sent: boolean;
}

/** What is to be done for a notice. `wait`: not before then, milliseconds since the epoch · `givenUp`: nobody tries it again. */
export type NoticeMove =
  | { readonly move: 'none' }
  | { readonly move: 'wait'; readonly until: number }
  | { readonly move: 'try'; readonly number: number }
  | { readonly move: 'givenUp' };

/** Longer than a try may take, as one that has just begun and one that died look the same. */
const FIRST_WAIT_MS = 60_000;

const LONGEST_WAIT_MS = 3_600_000;

/** A receiver that is away for longer hears nothing of it any more. */
const PATIENCE_MS = 24 * 3_600_000;

/** Up to so much more is waited: receivers that come back aren't told everything at one moment. */
const SPREAD = 0.25;

/** What to do for a notice at this moment. `spread`, 0 to 1, is the same for all who ask: it moves the tries apart. */
export function noticeMove({ tries, sent }: NoticeSeen, spread: number, now: number): NoticeMove {
  const [first] = tries;
  const last = tries.at(-1);
  if (sent) return { move: 'none' };
  if (first === undefined || last === undefined) return { move: 'try', number: 0 };
  if (now - first >= PATIENCE_MS) return { move: 'givenUp' };
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tries.length - 1));
  const until = last + wait * (1 + SPREAD * spread);
  return now >= until ? { move: 'try', number: tries.length } : { move: 'wait', until };
}
