import type { ListOptions, ObjectEntry } from '../../ports/object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { listNumbered, numberOf } from './s3-list-numbered.ts';
import { compareKeys, justBefore, listPage } from './s3-pages.ts';

/** What lies under a prefix, a page of a thousand at a time; numbered keys (tasks) in parallel once they fill a page. */
export async function* listObjects(
  bucket: S3Bucket,
  prefix: string,
  options: ListOptions,
): AsyncGenerator<ObjectEntry> {
  const { from, to, signal } = options;
  // A listing that begins behind the whole prefix is empty; one that begins before it, begins with it.
  if (from !== undefined && compareKeys(from.slice(0, prefix.length), prefix) > 0) return;
  const begins = from !== undefined && from.length > prefix.length && from.startsWith(prefix);
  if (to !== undefined && compareKeys(begins ? from : prefix, to) >= 0) return;
  for await (const entries of pagesOf(bucket, prefix, begins ? justBefore(from) : undefined, signal)) {
    for (const entry of entries) {
      if (begins && compareKeys(entry.key, from) < 0) continue;
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
