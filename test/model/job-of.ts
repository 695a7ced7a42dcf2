import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { StepFacts } from '../../src/model/decide.ts';
import { emptyView, foldJournal } from '../../src/model/fold.ts';
import type { JobRecord } from '../../src/model/job.ts';
import type { EntryBase, EntryKind, JournalEntry, TaskSets } from '../../src/model/journal.ts';
import { TaskBits } from '../../src/model/task-set.ts';
import type { JobView } from '../../src/model/view.ts';

const YAML = `
name: claims
input: { from: a.csv, split: { by: file } }
tolerate: 1
steps:
  - { name: price, run: [cat] }
  - { name: check, run: [cat] }
  - { name: totals, gather: true, run: [cat] }
`;

/** A step whose files become the tasks of the two map steps after it, and a gather. */
export const EXPLODES = `
name: words
input: { from: a.txt, split: { by: file } }
tolerate: 1
steps:
  - { name: split, output: files, explode: true, run: [cat] }
  - { name: count, run: [cat] }
  - { name: check, run: [cat] }
  - { name: total, gather: true, run: [cat] }
`;

/** Two map steps with four chains and a gather, with this journal. */
export function viewOf(entries: readonly EntryKind[], yaml = YAML): JobView {
  const record: JobRecord = {
    format: 1,
    job: 'claims-20261130-0600-abcde',
    spec: parseJobFile(yaml, { file: 'job.yaml' }),
    runKey: null,
    runNumber: null,
    period: null,
    inputs: [],
    parts: 4,
    records: null,
    digest: 'sha256:0',
    code: null,
    createdAt: '2026-11-30T06:00:00.000Z',
    createdBy: 'me@here',
    host: 'here',
    version: '0.1.0',
    notBefore: null,
  };
  return foldJournal(
    emptyView(record),
    entries.map((kind) => entryOf(kind)),
  );
}

/** An entry as a person wrote it at 06:00, unless `base` says otherwise. */
export function entryOf(kind: EntryKind, base: Partial<EntryBase> = {}): JournalEntry {
  return { format: 1, id: 'a', when: '2026-11-30T06:00:00.000Z', who: 'me@here', ...base, ...kind };
}

export const SENT: EntryKind = { what: 'sent' };

/** The entry of a close; a job that failed did so because of failures, unless `reason` says otherwise. */
export function closeOf(
  state: 'succeeded' | 'failed' | 'cancelled',
  round = 0,
  reason: string | null = state === 'failed' ? 'failures' : null,
): Extract<EntryKind, { what: 'close' }> {
  return { what: 'close', state, reason, round };
}

/** The entry of a retry of some tasks: all at once and unchanged, unless `more` says otherwise. */
export function retryOf(
  round: number,
  tasks: TaskSets,
  more: Partial<Extract<EntryKind, { what: 'retry' }>> = {},
): Extract<EntryKind, { what: 'retry' }> {
  return { what: 'retry', round, tasks, canaries: null, overrides: {}, ...more };
}

/** A step's listing. */
export function factsOf(
  size: number,
  published: readonly number[],
  failed: readonly number[] = [],
  leftOut: string | null = null,
): StepFacts {
  const bits = (numbers: readonly number[]): TaskBits => {
    const set = new TaskBits(size);
    for (const n of numbers) set.add(n);
    return set;
  };
  const opened = leftOut === null ? null : ({ format: 1, id: 'a', count: 0, leftOut } as const);
  return { size, published: bits(published), failed: bits(failed), opened };
}
