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

/** The store's objects about one notice: an event and a receiver. */
export interface NoticeState {
  /** When each try began, by its number from 0: milliseconds since the epoch on the store's clock. */
  readonly tries: readonly number[];
  readonly sent: boolean;
}

/**
 * The action for a notice. `wait`: not before then, milliseconds since the epoch · `givenUp`: it is not tried again.
 */
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

/** The action for a notice now. `spread`, 0 to 1 and the same in every process, spreads the tries of notices. */
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
