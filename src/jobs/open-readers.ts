import { BatchctlError } from '../errors.ts';
import type { JobRecord } from '../model/job.ts';
import { OPEN, openOf } from '../model/keys.ts';
import { emptyView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { readJob, readRecord, refreshView } from './journal.ts';

/**
 * The keys (whole ones) that open jobs read, of those that `wanted` answers true for, each with such a job's id; with
 * `uncommitted` also what a submission will read that has written its job.json, and not claimed its run key yet.
 */
export async function openReaders(
  store: ObjectStore,
  wanted: (key: string) => boolean,
  { uncommitted = false }: { readonly uncommitted?: boolean } = {},
): Promise<ReadonlyMap<string, string>> {
  const rounds = new Map<string, number>();
  for await (const { key } of store.list(OPEN)) {
    const mark = openOf(key);
    if (mark !== null) rounds.set(mark.job, Math.max(mark.round, rounds.get(mark.job) ?? 0));
  }
  const readers = new Map<string, string>();
  for (const [job, round] of rounds) {
    const record = await (uncommitted ? readRecord(store, job) : readJob(store, job));
    const read = keysRead(record).filter(wanted);
    if (record === null || read.length === 0 || (await isClosedSince(store, record, round))) continue;
    for (const key of read) readers.set(key, job);
  }
  return readers;
}

function keysRead(record: JobRecord | null): readonly string[] {
  return (record?.inputs ?? []).flatMap(({ source }) => (source.kind === 'store' ? [source.key] : []));
}

/** A mark may outlive the close that should have deleted it; a retry's mark is there before its entry. */
async function isClosedSince(store: ObjectStore, record: JobRecord, round: number): Promise<boolean> {
  const { closed } = await refreshView(store, emptyView(record));
  return closed !== null && closed.round >= round;
}

/** The refusal to change what a job reads. `act` is what was asked: `replace`, `remove`. */
export function refuseRead(key: string, job: string, act: string): BatchctlError {
  return new BatchctlError('refused', `won't ${act} ${key}: the open job ${job} reads it`, {
    hint: `wait for it (batchctl wait ${job}), or end it (batchctl cancel ${job})`,
  });
}
