import { jitter, wait } from '../lib/wait.ts';
import { isClosed } from '../model/job.ts';
import { failedKey, logKey, outKey } from '../model/keys.ts';
import { NOTHING_SHOWN, newIn, type Shown, shownOf } from '../model/log-news.ts';
import { isSkipped, type JobView, roundOf, stateOf } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { refreshView } from './journal.ts';
import { refusePruned } from './pruned.ts';
import type { TaskName } from './task-name.ts';

/** What an attempt wrote since the last look. */
export interface LogPiece {
  readonly attempt: string;
  readonly bytes: Uint8Array;
}

/** Why following ended: the task is decided or skipped, its job is closed, or Ctrl-C. */
export type LogEnd = 'done' | 'failed' | 'skipped' | 'cancelled' | 'closed' | 'interrupted';

const LONGEST_POLL_MS = 5_000;

/**
 * Yields what a task's attempts have written to stderr, and then what they write, as their workers upload it (every
 * third of a lease, at most every 30 s), until the task is decided. Includes later attempts. Throws `notFound` for a
 * pruned job.
 */
export async function* followLog(
  platform: Platform,
  seen: JobView,
  task: TaskName,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, LogEnd> {
  refusePruned(seen, 'its logs');
  const { store, clock, leaseSeconds } = platform;
  const pollMs = Math.min(LONGEST_POLL_MS, (leaseSeconds * 1_000) / 6);
  const reader = new LogReader(store, logKey(seen.record.job, task.name, task.task, ''));
  let view = seen;
  let closedAt: number | null = null;
  for (;;) {
    view = await refreshView(store, view);
    // Read the state before the logs: the last write to a log precedes the decision.
    const decided = await decisionOf(store, view, task);
    const closed = closedBy(view, task);
    closedAt = closed === null ? null : (closedAt ?? clock.monotonic());
    yield* reader.news();
    if (decided !== null) return decided;
    // Attempts of a closed job are ended at their worker's next heartbeat, which then uploads their logs.
    if (closed !== null && closedAt !== null && clock.monotonic() - closedAt >= leaseSeconds * 1_000) return closed;
    if (signal.aborted) return 'interrupted';
    await wait(jitter(pollMs), signal);
  }
}

async function decisionOf(store: ObjectStore, view: JobView, task: TaskName): Promise<'done' | 'failed' | null> {
  const { job } = view.record;
  if ((await store.head(outKey(job, task.name, task.task))) !== null) return 'done';
  const round = roundOf(view, task.step, task.task);
  return (await store.head(failedKey(job, task.name, task.task, round))) === null ? null : 'failed';
}

function closedBy(view: JobView, task: TaskName): LogEnd | null {
  if (isSkipped(view, task.step, task.task)) return 'skipped';
  const state = stateOf(view);
  if (state === 'cancelled') return 'cancelled';
  return isClosed(state) ? 'closed' : null;
}

/** The logs of one task; each is read again when it changes. */
class LogReader {
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #known = new Map<string, { readonly etag: string; readonly shown: Shown }>();

  constructor(store: ObjectStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** In order of their last write. */
  async *news(): AsyncGenerator<LogPiece> {
    const changed = [];
    for await (const entry of this.#store.list(this.#prefix)) {
      if (this.#known.get(entry.key)?.etag !== entry.etag) changed.push(entry);
    }
    for (const { key, etag } of changed.sort((a, b) => a.modified - b.modified)) {
      const log = await this.#store.read(key);
      if (log === null) continue;
      const bytes = newIn(this.#known.get(key)?.shown ?? NOTHING_SHOWN, log);
      this.#known.set(key, { etag, shown: shownOf(log) });
      if (bytes.length > 0) yield { attempt: key.slice(this.#prefix.length), bytes };
    }
  }
}
