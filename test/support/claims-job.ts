import { append } from '../../src/jobs/journal.ts';
import type { EntryKind } from '../../src/model/journal.ts';
import { failedKey } from '../../src/model/keys.ts';
import type { JobView } from '../../src/model/view.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { Delivery, Receipt } from '../../src/ports/task-queue.ts';
import { event } from '../contracts/ledger-events.ts';

/** A job file with four tasks and a gather. */
export const claimsJob = (tolerate: number | string): string => `
name: claims
input: { split: { by: range, from: 1, to: 4 } }
steps:
  - { name: price, run: [cat] }
  - { name: total, gather: true, run: [cat] }
tolerate: ${tolerate}
`;

/** Appends an entry to the journal, whatever entries it has. */
export async function addEntry(platform: Platform, view: JobView, kind: EntryKind): Promise<JobView> {
  return (await append(platform, view, () => kind)).view;
}

/** Writes the marker of a permanent failure as a worker does. */
export async function failForGood(platform: Platform, job: string, step: string, n: number, round = 0): Promise<void> {
  const record = {
    format: 1,
    reason: 'exit',
    exitCode: 1,
    error: 'x',
    attempt: 'a',
    number: 3,
    worker: 'w',
    startedAt: '2026-01-01T00:00:00Z',
    endedAt: '2026-01-01T00:00:00Z',
    cause: 'c',
  };
  await platform.store.put(failedKey(job, step, n, round), JSON.stringify(record));
}

export const delivered = (body: string): Delivery => ({ receipt: 'r' as Receipt, body, receiveCount: 1, sentAt: 0 });

/** An attempt of the first step as a worker records it when it has ended. */
export const endedAttempt = (job: string, task: number, round = 0, outcome: 'done' | 'failed' = 'failed') =>
  event(outcome, task, { job, round, attempt: `a${task}r${round}`, exitCode: 1, reason: 'exit', error: 'x' });
