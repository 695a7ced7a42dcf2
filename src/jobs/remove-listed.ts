import type { ObjectEntry, ObjectStore } from '../ports/object-store.ts';

/** Objects, and the bytes in them. */
export interface Removed {
  readonly objects: number;
  readonly bytes: number;
}

export const NOTHING_REMOVED: Removed = { objects: 0, bytes: 0 };

export interface RemoveOptions {
  /** True only counts. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  /** Keys deleted at a time (1,000). */
  readonly batch?: number;
  /** Called with the number of further deleted objects. */
  readonly onRemoved?: (objects: number) => void;
}

/** Keys deleted at a time (S3: DeleteObjects takes 1,000), and requests in flight. */
const BATCH = 1_000;
const AT_ONCE = 4;

/**
 * Deletes what a listing yields, as it arrives: holds a few batches in memory, however long the listing. Missing
 * objects are fine, so two processes may remove the same objects. Throws the store's error once all started deletions
 * have ended.
 */
export async function removeListed(
  store: Pick<ObjectStore, 'delete'>,
  entries: AsyncIterable<Pick<ObjectEntry, 'key' | 'size'>>,
  { dryRun = false, signal, batch: most = BATCH, onRemoved }: RemoveOptions = {},
): Promise<Removed> {
  const running = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | null = null;
  let [objects, bytes] = [0, 0];
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    const keys = batch;
    batch = [];
    if (keys.length === 0) return;
    const work: Promise<void> = (dryRun ? Promise.resolve() : store.delete(keys))
      .then(
        () => onRemoved?.(keys.length),
        (error: unknown) => {
          failure ??= { error };
        },
      )
      .finally(() => running.delete(work));
    running.add(work);
    if (running.size >= AT_ONCE) await Promise.race(running);
  };
  for await (const { key, size } of entries) {
    if (failure !== null || signal?.aborted === true) break;
    batch.push(key);
    objects += 1;
    bytes += size;
    if (batch.length >= most) await flush();
  }
  if (failure === null && signal?.aborted !== true) await flush();
  await Promise.all(running);
  const first = failure as { readonly error: unknown } | null;
  if (first !== null) throw first.error;
  signal?.throwIfAborted();
  return { objects, bytes };
}

/** The same for keys alone, without counting bytes. */
export async function removeKeys(store: Pick<ObjectStore, 'delete'>, keys: AsyncIterable<string>): Promise<void> {
  await removeListed(store, unsized(keys));
}

async function* unsized(keys: AsyncIterable<string>): AsyncGenerator<Pick<ObjectEntry, 'key' | 'size'>> {
  for await (const key of keys) yield { key, size: 0 };
}

export function addRemoved(a: Removed, b: Removed): Removed {
  return { objects: a.objects + b.objects, bytes: a.bytes + b.bytes };
}
