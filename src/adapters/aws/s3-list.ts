import { setMaxListeners } from 'node:events';
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { ListOptions, ObjectEntry } from '../../ports/object-store.ts';
import { translateAwsError } from './errors.ts';
import { abortOptions, bucketParams, type S3Bucket, s3Operation, withoutQuotes } from './s3-bucket.ts';

/** Lists a prefix in pages of a thousand keys. Numbered keys (tasks) are listed in parallel once they fill a page. */
export async function* listObjects(
  bucket: S3Bucket,
  prefix: string,
  options: ListOptions,
): AsyncGenerator<ObjectEntry> {
  const { from, to, signal } = options;
  // A listing that begins after the whole prefix is empty; one that begins before it starts at the prefix.
  if (from !== undefined && compareKeys(from.slice(0, prefix.length), prefix) > 0) return;
  const startsInside = from !== undefined && from.length > prefix.length && from.startsWith(prefix);
  if (to !== undefined && compareKeys(startsInside ? from : prefix, to) >= 0) return;
  for await (const entries of pagesOf(bucket, prefix, startsInside ? justBefore(from) : undefined, signal)) {
    for (const entry of entries) {
      if (startsInside && compareKeys(entry.key, from) < 0) continue;
      if (to !== undefined && compareKeys(entry.key, to) >= 0) return;
      signal?.throwIfAborted();
      yield entry;
    }
  }
}

async function* pagesOf(
  bucket: S3Bucket,
  prefix: string,
  after: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly ObjectEntry[]> {
  let page = await listPage(bucket, { prefix, after, signal });
  for (;;) {
    yield page.entries;
    if (page.next === null) return;
    const first = numberOf(prefix, page.entries[0]?.key ?? '');
    const last = page.entries.at(-1)?.key ?? '';
    const number = numberOf(prefix, last);
    if (first !== null && number !== null && number > first) {
      return yield* listNumbered(bucket, prefix, { after: last, number, span: number - first, signal });
    }
    page = await listPage(bucket, { prefix, token: page.next, signal });
  }
}

/** Pages requested ahead of the one being read, at most; each holds a thousand entries. */
const AHEAD = 12;
/** Digits in a task's number. */
const DIGITS = 9;
const NUMBER = /^\d{9}/;
const NUMBERS = 10 ** DIGITS;
/** Target number of entries per range: nearly a full page. */
const WANTED = 900;

/** The task's number after the prefix in a key; null if there is none. */
function numberOf(prefix: string, key: string): number | null {
  const digits = NUMBER.exec(key.slice(prefix.length));
  return digits === null ? null : Number(digits[0]);
}

interface NumberedListing {
  /** The last key of the previous page. */
  readonly after: string;
  readonly number: number;
  /** How many numbers a page of 1,000 entries spanned: the first guess of a range. */
  readonly span: number;
  readonly signal: AbortSignal | undefined;
}

/** A requested range of keys: from `start` to before `end`; null: to the last. */
interface Range {
  readonly start: string;
  readonly end: string | null;
  readonly page: Promise<Page>;
}

/**
 * Continues a listing of numbered keys by requesting several ranges of numbers at once, and yields them in order. It
 * begins with one request and doubles, so that it wastes at most as many requests as it needed. A range that holds more
 * than a page is read page by page; after an empty one, the next range begins at the next existing key.
 */
async function* listNumbered(
  bucket: S3Bucket,
  prefix: string,
  listing: NumberedListing,
): AsyncGenerator<readonly ObjectEntry[]> {
  const { signal } = listing;
  // Requests whose answers are no longer needed.
  const obsolete = new AbortController();
  const ends = signal === undefined ? obsolete.signal : AbortSignal.any([signal, obsolete.signal]);
  setMaxListeners(0, ends); // one listener per request ahead is no leak
  const asked: Range[] = [];
  let startAfter: string | null = listing.after;
  let cursor = listing.number;
  let width = Math.max(1, Math.floor((listing.span * WANTED) / 1_000));
  let window = 1;
  const startAt = (number: number): string => prefix + String(number).padStart(DIGITS, '0');

  const ask = (): void => {
    const start = startAt(cursor);
    const end = cursor + width < NUMBERS ? startAt(cursor + width) : null;
    const page = listPage(bucket, { prefix, after: startAfter ?? justBefore(start), signal: ends });
    page.catch(() => undefined); // reported when it is awaited in its turn
    asked.push({ start, end, page });
    startAfter = null;
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
        const { within, beyond } = cutToRange(page, range);
        count += within.length;
        following = beyond;
        yield within;
        if (following !== undefined || page.next === null) break;
      }
      if (following === undefined) return;
      while (asked[0] !== undefined && asked[0].end !== null && compareKeys(following, asked[0].end) >= 0)
        asked.shift();
      // The last range finds a foreign name after all numbers.
      if (asked.length === 0) cursor = Math.max(cursor, numberOf(prefix, following) ?? NUMBERS - 1);
      width = Math.max(1, Math.round(width * Math.min(2, Math.max(0.5, WANTED / Math.max(1, count)))));
      window = Math.min(window * 2, AHEAD);
    }
  } finally {
    obsolete.abort();
  }
}

/** The part of a page inside the range, and the first key after it. */
function cutToRange(
  { entries }: Page,
  { start, end }: Range,
): { within: readonly ObjectEntry[]; beyond: string | undefined } {
  const from = entries.findIndex(({ key }) => compareKeys(key, start) >= 0);
  if (from === -1) return { within: [], beyond: undefined };
  const to = end === null ? -1 : entries.findIndex(({ key }) => compareKeys(key, end) >= 0);
  return to === -1
    ? { within: entries.slice(from), beyond: undefined }
    : { within: entries.slice(from, to), beyond: entries[to]?.key };
}

/** At most a thousand entries, in the order of their keys' UTF-8. */
interface Page {
  readonly entries: readonly ObjectEntry[];
  /** Where the next page begins; null: this is the last one. */
  readonly next: string | null;
}

interface PageRequest {
  readonly prefix: string;
  /** The token of the previous page; without one, the listing begins after `after`. */
  readonly token?: string | undefined;
  /** A full key, existing or not; the listing begins after it. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One listing request. Keys are the store's, without the bucket's prefix. */
async function listPage(bucket: S3Bucket, { prefix, token, after, signal }: PageRequest): Promise<Page> {
  const about = s3Operation(bucket, 's3:ListBucket', '', `list ${prefix === '' ? bucket.name : prefix}`);
  try {
    signal?.throwIfAborted();
    const answer = await bucket.client.send(
      new bucket.sdk.ListObjectsV2Command({
        ...bucketParams(bucket),
        Prefix: bucket.prefix + prefix,
        // XML can't represent every character that a key may contain.
        EncodingType: 'url',
        ...(token !== undefined && { ContinuationToken: token }),
        ...(token === undefined && after !== undefined && { StartAfter: bucket.prefix + after }),
      }),
      abortOptions(signal),
    );
    const next = answer.IsTruncated === true ? (answer.NextContinuationToken ?? null) : null;
    return { entries: entriesOf(answer, bucket.prefix), next };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw translateAwsError(error, about);
  }
}

function entriesOf(answer: ListObjectsV2CommandOutput, prefix: string): ObjectEntry[] {
  return (answer.Contents ?? []).map(({ Key = '', Size = 0, ETag, LastModified }) => ({
    key: decoded(Key).slice(prefix.length),
    size: Size,
    etag: withoutQuotes(ETag),
    modified: LastModified?.getTime() ?? 0,
  }));
}

const ENCODED = /[%+]/;

/** S3 encodes a space as `+`. If a text can't be decoded, the endpoint encodes nothing: then that is the key. */
function decoded(key: string): string {
  if (!ENCODED.test(key)) return key;
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}

/**
 * A StartAfter value for a listing that begins with `from` itself, because S3's StartAfter excludes the key that it is
 * given. It is just before `from` in UTF-8 order, with almost no key in between (the caller must skip any).
 */
export function justBefore(from: string): string {
  const last = from.codePointAt(from.length - (endsInPair(from) ? 2 : 1)) ?? 0;
  const begin = from.slice(0, from.length - (endsInPair(from) ? 2 : 1));
  if (last === 0) return begin;
  // Below the surrogates, which aren't characters.
  const before = last === 0xe000 ? 0xd7ff : last - 1;
  return `${begin}${String.fromCodePoint(before)}\uFFFD`;
}

const endsInPair = (text: string): boolean => /[\u{10000}-\u{10FFFF}]$/u.test(text);

/** Compares keys by their UTF-8 bytes. JavaScript's order differs only where a surrogate meets another character. */
export function compareKeys(one: string, other: string): number {
  const end = Math.min(one.length, other.length);
  for (let at = 0; at < end; at += 1) {
    const a = one.charCodeAt(at);
    const b = other.charCodeAt(at);
    if (a !== b) return inUtf8(a) - inUtf8(b);
  }
  return one.length - other.length;
}

/** Surrogates encode characters above all others. */
const inUtf8 = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
