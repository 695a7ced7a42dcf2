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
