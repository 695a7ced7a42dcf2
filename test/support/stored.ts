import { readEntries } from '../../src/jobs/journal.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';

/** All keys below some prefixes. */
export async function keysBelow(store: ObjectStore, ...prefixes: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const prefix of prefixes) for await (const key of store.keys(prefix)) found.push(key);
  return found;
}

/** What a job's journal says, in order. */
export async function entriesOf(store: ObjectStore, job: string): Promise<readonly string[]> {
  return (await readEntries(store, job)).map(({ what }) => what);
}
