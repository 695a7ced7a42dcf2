import { isKind } from '../errors.ts';
import { parseStored } from '../lib/json.ts';
import type { FailureRecord } from '../model/failure.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** The content of a `failed/` or `tries/` object; null for missing fields. */
export interface FailureFound {
  readonly attempt: string | null;
  readonly number: number | null;
  readonly worker: string | null;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly error: string | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** The number of journal entries that its worker had read when the attempt started. */
  readonly entries: number | null;
  /** Its attempts failed on at least two workers. */
  readonly badInput: boolean;
  /** The unreadable part of it, with its key; null if none. */
  readonly problem: string | null;
}

/**
 * Reads as much of a failure as possible: its existence decides, its content only explains. Null if it provably is
 * gone. Throws `newer` for a format of a later version.
 */
export async function readFailureObject(store: ObjectStore, key: string): Promise<FailureFound | null> {
  const bytes = await store.read(key);
  if (bytes === null) return null;
  try {
    return foundIn(key, parseStored<FailureRecord>(key, bytes));
  } catch (error) {
    if (!isKind(error, 'corrupt')) throw error;
    return { ...NOTHING, reason: UNREADABLE, error: error.message, problem: error.message };
  }
}

/** Reason of an unreadable failure. */
export const UNREADABLE = 'unreadable';

const NOTHING = {
  ...{ attempt: null, number: null, worker: null, reason: null, exitCode: null, error: null },
  ...{ startedAt: null, endedAt: null, entries: null, badInput: false },
} as const;

function foundIn(key: string, record: { readonly [field in keyof FailureRecord]?: unknown }): FailureFound {
  const { attempt, number, worker, reason, exitCode, error, startedAt, endedAt, entries, badInput } = record;
  const found = {
    ...{ attempt: textIn(attempt), worker: textIn(worker), reason: textIn(reason), error: textIn(error) },
    ...{ number: countIn(number), exitCode: countIn(exitCode) },
    ...{ startedAt: instantIn(startedAt), endedAt: instantIn(endedAt) },
    ...{ entries: countIn(entries), badInput: badInput === true },
  };
  const needed = ['attempt', 'number', 'worker', 'reason', 'startedAt', 'endedAt'] as const;
  const lost = needed.filter((field) => found[field] === null);
  const words = lost.map((field) => `${field} (${JSON.stringify(record[field] ?? null).slice(0, 40)})`);
  return { ...found, problem: lost.length === 0 ? null : `${key} has no readable ${words.join(', ')}` };
}

const textIn = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

const countIn = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;

/** ISO-8601 text as milliseconds since the epoch; null for an invalid date. */
export function instantIn(value: unknown): number | null {
  const instant = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(instant) ? null : instant;
}
