import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { ObjectEntry } from '../../ports/object-store.ts';
import { translateAwsError } from './errors.ts';
import { doing, type S3Bucket, target, withoutQuotes } from './s3-bucket.ts';

/** At most a thousand entries, in the order of their keys' UTF-8. */
export interface Page {
  readonly entries: readonly ObjectEntry[];
  /** Where the next page begins; null: nothing follows under this prefix. */
  readonly next: string | null;
}

export interface PageRequest {
  readonly prefix: string;
  /** The token of the page before; else the listing begins behind `after`. */
  readonly token?: string | undefined;
  /** A key, full or made up, behind which the listing begins. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One request of a listing. Keys are those of the store, without the bucket's prefix. */
export async function listPage(bucket: S3Bucket, { prefix, token, after, signal }: PageRequest): Promise<Page> {
  const about = doing(bucket, 's3:ListBucket', '', `list ${prefix === '' ? bucket.name : prefix}`);
  try {
    signal?.throwIfAborted();
    const answer = await bucket.client.send(
      new bucket.sdk.ListObjectsV2Command({
        ...target(bucket),
        Prefix: bucket.prefix + prefix,
        // XML can't carry every character that a key may hold.
        EncodingType: 'url',
        ...(token !== undefined && { ContinuationToken: token }),
        ...(token === undefined && after !== undefined && { StartAfter: bucket.prefix + after }),
      }),
      signal === undefined ? {} : { abortSignal: signal },
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

/** S3 writes a space as `+`. An endpoint that encodes nothing may send what can't be decoded: that is the key then. */
function decoded(key: string): string {
  if (!ENCODED.test(key)) return key;
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}

/**
 * A text behind which a listing that is to begin with `from` itself may begin: just before it in UTF-8 order, with as
 * good as no key in between (those there are must be passed over). S3's StartAfter excludes the key that it is given.
 */
export function justBefore(from: string): string {
  const last = from.codePointAt(from.length - (endsInPair(from) ? 2 : 1)) ?? 0;
  const begin = from.slice(0, from.length - (endsInPair(from) ? 2 : 1));
  if (last === 0) return begin;
  // Below the surrogates, which are no characters.
  const before = last === 0xe000 ? 0xd7ff : last - 1;
  return `${begin}${String.fromCodePoint(before)}\uFFFD`;
}

const endsInPair = (text: string): boolean => /[\u{10000}-\u{10FFFF}]$/u.test(text);

/** Compares keys by the bytes of their UTF-8, which differs from JavaScript's order only where surrogates meet others. */
export function compareKeys(one: string, other: string): number {
  const end = Math.min(one.length, other.length);
  for (let at = 0; at < end; at += 1) {
    const a = one.charCodeAt(at);
    const b = other.charCodeAt(at);
    if (a !== b) return inUtf8(a) - inUtf8(b);
  }
  return one.length - other.length;
}

/** Surrogates stand for characters above all others. */
const inUtf8 = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
