import { logKey } from '../../model/keys.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Cause } from './causes.ts';
import { readFailed } from './failures.ts';

/** One task of a cause: what it said, unfolded, and where the rest of it lies. */
export interface CauseExample {
  readonly task: number;
  readonly worker: string | null;
  /** The attempt that failed last; null when nothing ran, or it is not remembered. */
  readonly attempt: string | null;
  readonly error: string | null;
  /** The key of its log; null when it wrote nothing. */
  readonly log: string | null;
  /** The log's last lines, at most ten; empty without a log. */
  readonly tail: readonly string[];
}

const TAIL_BYTES = 4_096;
const TAIL_LINES = 10;

/** Looks up the log of a cause's example. Three small reads. */
export async function exampleOf(platform: Platform, view: JobView, cause: Cause): Promise<CauseExample> {
  const { task, error, worker } = cause.example;
  const step = view.record.spec.steps.findIndex(({ name }) => name === cause.step);
  const attempt = (await readFailed(platform, view, step, task))?.attempt ?? null;
  if (attempt === null || attempt === 'none') return { task, worker, attempt: null, error, log: null, tail: [] };
  const key = logKey(view.record.job, cause.step, task, attempt);
  const tail = await tailOf(platform.store, key);
  return { task, worker, attempt, error, log: tail === null ? null : key, tail: tail ?? [] };
}

/** The last lines of a log; null if there is none. */
async function tailOf(store: ObjectStore, key: string): Promise<readonly string[] | null> {
  const info = await store.head(key);
  if (info === null) return null;
  const offset = Math.max(0, info.size - TAIL_BYTES);
  const bytes = await store.read(key, { range: { offset, length: TAIL_BYTES } });
  if (bytes === null) return null;
  const lines = new TextDecoder().decode(bytes).trimEnd().split('\n');
  // The first is only a piece of a line where the log is longer.
  return (offset > 0 && lines.length > 1 ? lines.slice(1) : lines).slice(-TAIL_LINES);
}
