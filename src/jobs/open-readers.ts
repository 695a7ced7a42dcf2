import { BatchctlError } from '../errors.ts';
import { OPEN, openOf } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { readJob, readView } from './journal.ts';

/** The keys (whole ones) that open jobs read, of those that `wanted` answers true for, each with such a job's id. */
export async function openReaders(
  store: ObjectStore,
  wanted: (key: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const rounds = new Map<string, number>();
  for await (const { key } of store.list(OPEN)) {
    const mark = openOf(key);
    if (mark !== null) rounds.set(mark.job, Math.max(mark.round, rounds.get(mark.job) ?? 0));
  }
  const readers = new Map<string, string>();
  for (const [job, round] of rounds) {
    const keys = await keysRead(store, job);
    const read = keys.filter(wanted);
    if (read.length === 0 || (await isClosedSince(store, job, round))) continue;
    for (const key of read) readers.set(key, job);
  }
  return readers;
}

async function keysRead(store: ObjectStore, job: string): Promise<readonly string[]> {
  const record = await readJob(store, job);
  return (record?.inputs ?? []).flatMap(({ source }) => (source.kind === 'store' ? [source.key] : []));
}

/** A mark may outlive the close that should have deleted it; a retry's mark is there before its entry. */
async function isClosedSince(store: ObjectStore, job: string, round: number): Promise<boolean> {
  const view = await readView(store, job);
  return view === null || (view.closed !== null && view.closed.round >= round);
}

/** The refusal to change what a job reads. `act` is what was asked: `replace`, `remove`. */
export function refuseRead(key: string, job: string, act: string): BatchctlError {
  return new BatchctlError('refused', `won't ${act} ${key}: the open job ${job} reads it`, {
    hint: `wait for it (batchctl wait ${job}), or end it (batchctl cancel ${job})`,
  });
}
