import { setMaxListeners } from 'node:events';
import type { ObjectEntry } from '../../ports/object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { compareKeys, justBefore, listPage, type Page } from './s3-pages.ts';

/** Pages that are asked for ahead of the one that is read, at most; each holds a thousand entries. */
const AHEAD = 12;
/** Tasks are named by so many digits. */
const DIGITS = 9;
const NUMBER = /^\d{9}/;
const NUMBERS = 10 ** DIGITS;
/** Entries that a range should hold: nearly what one page can. */
const WANTED = 900;

/** The task's number that follows the prefix in a key; null where none does. */
export function numberOf(prefix: string, key: string): number | null {
  const digits = NUMBER.exec(key.slice(prefix.length));
  return digits === null ? null : Number(digits[0]);
}

export interface NumberedListing {
  /** The last key of the page before, and its number. */
  readonly after: string;
  readonly number: number;
  /** How many numbers a page of 1,000 entries spanned: the first guess. */
  readonly span: number;
  readonly signal: AbortSignal | undefined;
}

/** A range of keys that was asked for: from `start` to before `end`; null: to the last. */
interface Range {
  readonly start: string;
  readonly end: string | null;
  readonly page: Promise<Page>;
}

/**
 * Goes on with a listing of numbered keys by asking for several ranges of numbers at once, and gives them out in their
 * order. It begins with one request and doubles, so that it wastes no more of them than it needed. A range that holds
 * more than a page is read on page by page; where one holds nothing, the next begins where something is.
 */
export async function* listNumbered(
  bucket: S3Bucket,
  prefix: string,
  listing: NumberedListing,
): AsyncGenerator<readonly ObjectEntry[]> {
  const { signal } = listing;
  // Those that were asked for in vain need no answer.
  const vain = new AbortController();
  const ends = signal === undefined ? vain.signal : AbortSignal.any([signal, vain.signal]);
  setMaxListeners(0, ends); // one for each request ahead is no leak
  const asked: Range[] = [];
  let behind: string | null = listing.after;
  let cursor = listing.number;
  let width = Math.max(1, Math.floor((listing.span * WANTED) / 1_000));
  let window = 1;
  const startAt = (number: number): string => prefix + String(number).padStart(DIGITS, '0');

  const ask = (): void => {
    const start = startAt(cursor);
    const end = cursor + width < NUMBERS ? startAt(cursor + width) : null;
    const page = listPage(bucket, { prefix, after: behind ?? justBefore(start), signal: ends });
    page.catch(() => undefined); // told when it is awaited in its turn
    asked.push({ start, end, page });
    behind = null;
    cursor = end === null ? NUMBERS : cursor + width;
  };

  try {
    for (;;) {
      while (asked.length < window && cursor < NUMBERS) ask();
      const range = asked.shift();
      if (range === undefined) return;
      let count = 0;
      let following: string | undefined;
      for (let page = await range.page; ; page = await listPage(bucket, { prefix, token: page.next, signal })) {
        const { within, beyond } = cut(page, range);
        count += within.length;
        following = beyond;
        yield within;
        if (following !== undefined || page.next === null) break;
      }
      if (following === undefined) return;
      while (asked[0] !== undefined && asked[0].end !== null && compareKeys(following, asked[0].end) >= 0)
        asked.shift();
      // A foreign name behind all numbers is found by the last range.
      if (asked.length === 0) cursor = Math.max(cursor, numberOf(prefix, following) ?? NUMBERS - 1);
      width = Math.max(1, Math.round(width * Math.min(2, Math.max(0.5, WANTED / Math.max(1, count)))));
      window = Math.min(window * 2, AHEAD);
    }
  } finally {
    vain.abort();
  }
}

/** What of a page is in the range, and the first key behind it. */
function cut({ entries }: Page, { start, end }: Range): { within: readonly ObjectEntry[]; beyond: string | undefined } {
  const from = entries.findIndex(({ key }) => compareKeys(key, start) >= 0);
  if (from === -1) return { within: [], beyond: undefined };
  const to = end === null ? -1 : entries.findIndex(({ key }) => compareKeys(key, end) >= 0);
  return to === -1
    ? { within: entries.slice(from), beyond: undefined }
    : { within: entries.slice(from, to), beyond: entries[to]?.key };
}
