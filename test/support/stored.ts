import { readEntries } from '../../src/jobs/journal.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { TaskQueue } from '../../src/ports/task-queue.ts';

/** The keys below some prefixes, in the order of the prefixes. */
export async function keysBelow(store: ObjectStore, ...prefixes: readonly string[]): Promise<readonly string[]> {
  const keys: string[] = [];
  for (const prefix of prefixes) for await (const key of store.keys(prefix)) keys.push(key);
  return keys;
}

/** The number of messages in a queue: waiting, leased or delayed. */
export async function countMessages(queue: TaskQueue): Promise<number> {
  const { visible, leased, delayed } = await queue.backlog();
  return visible + leased + delayed;
}

/** The kinds of the entries in a job's journal, in order. */
export async function entryKinds(store: ObjectStore, job: string): Promise<readonly string[]> {
  return (await readEntries(store, job)).map(({ what }) => what);
}
