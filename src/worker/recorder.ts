import { isKind } from '../errors.ts';
import { Batcher } from '../lib/batcher.ts';
import { jitter, wait, within } from '../lib/wait.ts';
import type { AttemptEvent } from '../model/ledger/records.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { WorkerLog } from './context.ts';
import { shortMessageOf } from './outcome.ts';

/** Events per group commit. */
const BATCH = 500;
/** Events kept while the ledger can't be written; beyond that the oldest are dropped, so that memory stays flat. */
const MOST_KEPT = 20_000;
/** The longest time that a start waits for an event with which it is written, milliseconds. */
const START_MS = 2_000;
/** Interval between retries of kept events, milliseconds. */
const RETRY_MS = 1_000;
/** How long a close of a job waits for kept events, milliseconds: longer than a client waits before its next request. */
const LONGEST_WAIT_MS = 10_000;

export interface RecorderOptions {
  readonly ledger: () => Promise<Pick<Ledger, 'record'>>;
  readonly log: WorkerLog;
  /** Called for an error that forces the worker to leave: the ledger is full or damaged. */
  readonly onError: (error: unknown) => void;
}

/**
 * Writes the results of attempts to the ledger, many per commit. An unavailable ledger holds up no task, as only
 * statistics can be lost, never work (law 1): events are kept in memory and written when it is back.
 */
export class Recorder {
  readonly #o: RecorderOptions;
  readonly #batches: Batcher<AttemptEvent>;
  readonly #closing = new AbortController();
  #kept: AttemptEvent[] = [];
  #dropped = 0;
  /** Starts that wait for company. */
  #starts: AttemptEvent[] = [];
  #startsTimer: NodeJS.Timeout | undefined;
  /** Runs while events are kept. */
  #retrying: Promise<void> | null = null;

  constructor(options: RecorderOptions) {
    this.#o = options;
    this.#batches = new Batcher({ max: BATCH, lingerMs: 4, busyMs: 20, flush: (events) => this.#flush(events) });
  }

  /** Resolves once the event is in the ledger or kept for it. Rejects if the ledger is full or damaged. */
  record(event: AttemptEvent): Promise<void> {
    this.#addStarts();
    return this.#batches.add(event);
  }

  /**
   * Writes the start of an attempt, for display, along with the next event, or after two seconds: each write to a remote
   * ledger costs a request, and a version in a bucket that keeps them.
   */
  recordStart(event: AttemptEvent): void {
    this.#starts.push(event);
    this.#startsTimer ??= setTimeout(() => this.#addStarts(), START_MS).unref();
  }

  #addStarts(): void {
    clearTimeout(this.#startsTimer);
    this.#startsTimer = undefined;
    for (const event of this.#starts.splice(0)) this.#batches.add(event).catch((error) => this.#o.onError(error));
  }

  /** Resolves when no event is kept, or after ten seconds: a job must end without its ledger, too. */
  written(): Promise<void> {
    return this.#retrying === null ? Promise.resolve() : within(this.#retrying, LONGEST_WAIT_MS);
  }

  /** Tries a last time to write kept events, and warns if that fails. Never rejects. */
  async close(): Promise<void> {
    this.#addStarts();
    await this.#batches.idle();
    this.#closing.abort();
    await this.#retrying;
    const lost = this.#dropped + this.#kept.length;
    if (lost === 0) return;
    this.#o.log.warn(
      `could not write attempts to the ledger (events: ${lost}); batchctl ledger rebuild restores them from the store`,
    );
  }

  async #flush(events: readonly AttemptEvent[]): Promise<void> {
    // In order: kept events come first.
    if (this.#retrying !== null) return this.#keep(events);
    try {
      await this.#write(events);
    } catch (error) {
      if (!isKind(error, 'unavailable')) throw error;
      this.#o.log.warn(`${shortMessageOf(error)}; continuing without the ledger, which is updated later`);
      this.#keep(events);
      this.#retrying = this.#writeKept().finally(() => {
        this.#retrying = null;
      });
    }
  }

  #keep(events: readonly AttemptEvent[]): void {
    this.#kept.push(...events);
    const over = this.#kept.length - MOST_KEPT;
    if (over <= 0) return;
    this.#kept.splice(0, over);
    this.#dropped += over;
  }

  async #writeKept(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#kept.length > 0) {
      await wait(jitter(RETRY_MS), signal);
      const last = signal.aborted;
      const batch = this.#kept.slice(0, BATCH);
      try {
        await this.#write(batch);
        // More events may have been dropped meanwhile than were written.
        const told = new Set(batch);
        this.#kept = this.#kept.filter((event) => !told.has(event));
      } catch (error) {
        if (!isKind(error, 'unavailable')) {
          this.#o.onError(error);
          return;
        }
        if (last) return;
      }
    }
  }

  async #write(events: readonly AttemptEvent[]): Promise<void> {
    await (await this.#o.ledger()).record(events);
  }
}
