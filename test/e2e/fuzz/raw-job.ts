import type { JobRecord } from '../../../src/model/job.ts';
import type { JournalEntry } from '../../../src/model/journal.ts';
import type { ObjectStore } from '../../../src/ports/object-store.ts';
import { keysBelow } from '../../support/stored.ts';

/** A step according to the store's keys, read without the project's own readers. */
export interface RawStep {
  readonly name: string;
  readonly gather: boolean;
  /** Whether its first task waits for all chains before it: a gather, or a step after an `explode`. */
  readonly barrier: boolean;
  /** The index of the first step of its section. */
  readonly start: number;
  /** The number of tasks; 0 while it is unknown. */
  readonly size: number;
  readonly out: ReadonlySet<number>;
  /** `task.round` */
  readonly failed: ReadonlySet<string>;
  readonly opened: { readonly count: number; readonly leftOut: ReadonlySet<number> } | null;
}

/** A job's objects in the store. */
export interface RawJob {
  readonly record: JobRecord;
  readonly entries: readonly JournalEntry[];
  readonly steps: readonly RawStep[];
  /** Rounds of its open marks. */
  readonly marks: readonly number[];
  readonly keys: ReadonlySet<string>;
}

/** Reads a job's keys without `model/keys.ts`, so that a mistake there shows. */
export async function readRaw(store: ObjectStore, job: string): Promise<RawJob> {
  const keys = new Set(await keysBelow(store, `jobs/${job}/`));
  const marks = (await keysBelow(store, `open/${job}.`)).map((key) => Number(key.split('.').at(-1)));
  const json = async <T>(key: string): Promise<T> => JSON.parse(Buffer.from((await store.read(key)) ?? []).toString());
  const record = await json<JobRecord>(`jobs/${job}/job.json`);
  const entries: JournalEntry[] = [];
  for (const key of keys) if (key.includes('/journal/')) entries.push(await json<JournalEntry>(key));
  const added = entries.reduce((sum, entry) => sum + (entry.what === 'extend' ? entry.count : 0), 0);
  const steps: RawStep[] = [];
  for (const [index, { name, gather }] of record.spec.steps.entries()) {
    const takesFiles = record.spec.steps[index - 1]?.explode === true;
    const barrier = gather || takesFiles;
    const below = (directory: string): string[] =>
      [...keys].filter((key) => key.startsWith(`jobs/${job}/steps/${name}/${directory}/`));
    const openedKey = `jobs/${job}/steps/${name}/opened.json`;
    // Whatever appended the entry may have died before it put the object.
    const decided = entries.find((entry) => entry.what === 'open' && entry.step === name) ?? null;
    const opened = keys.has(openedKey)
      ? await json<{ count: number; leftOut: string }>(openedKey)
      : (decided as { count: number; leftOut: string } | null);
    const before = steps[index - 1];
    steps.push({
      name,
      gather,
      barrier,
      start: barrier || before === undefined ? index : before.start,
      size: gather ? 1 : takesFiles ? (opened?.count ?? 0) : (before?.size ?? record.parts + added),
      out: new Set(below('out').map((key) => Number(key.slice(-9)))),
      failed: new Set(
        below('failed').map((key) => {
          const [task, round] = (key.split('/').at(-1) ?? '').split('.');
          return `${Number(task)}.${Number(round)}`;
        }),
      ),
      opened: opened === null ? null : { count: opened.count, leftOut: membersOf(opened.leftOut) },
    });
  }
  return { record, entries, steps, marks, keys };
}

/** The numbers of a set in text form. */
export function membersOf(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const piece of text.split(',').filter(Boolean)) {
    const [from = 0, to = from] = piece.split('-').map(Number);
    for (let n = from; n <= to; n += 1) numbers.add(n);
  }
  return numbers;
}
