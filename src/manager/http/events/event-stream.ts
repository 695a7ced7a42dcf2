import { Readable } from 'node:stream';
import { BatchctlError, type ErrorKind } from '../../../errors.ts';
import type { JobStatus } from '../../../jobs/status.ts';
import { wait } from '../../../lib/wait.ts';
import type { ApiError } from '../../../model/api.ts';
import type { VerbRunner } from '../../../ports/verbs.ts';

/** A stream of server-sent events for one reader, who gets of each event only the newest when slow. */
export class EventStream {
  readonly body: Readable;
  /** What waits to be read, by the event's name: at most one of each. */
  readonly #waiting = new Map<string, string>();
  readonly #timer: NodeJS.Timeout;
  #wanted = false;
  #ending = false;

  /** `aliveMs` without an event, and a comment says that the connection is good. */
  constructor(aliveMs: number) {
    this.body = new Readable({
      read: () => {
        this.#wanted = true;
        this.#flush();
      },
      // One event is held besides those that wait; it may be large.
      highWaterMark: 1,
    });
    this.#timer = setInterval(() => this.#comment(), aliveMs).unref();
    this.body.once('close', () => clearInterval(this.#timer));
  }

  /** `data` is JSON, without a line break. */
  send(event: string, data: string): void {
    if (this.#ending) return;
    // To the end of the order: what came first of this name is superseded.
    this.#waiting.delete(event);
    this.#waiting.set(event, `event: ${event}\ndata: ${data}\n\n`);
    this.#flush();
  }

  /** Ends it, once what waits was read. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  #comment(): void {
    if (!this.#wanted || this.#ending) return;
    this.#push(':\n\n');
  }

  #flush(): void {
    if (!this.#wanted) return;
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next[0]);
      this.#push(next[1]);
    } else if (this.#ending) {
      this.#wanted = false;
      this.body.push(null);
    }
  }

  #push(text: string): void {
    this.#wanted = false;
    this.body.push(text);
  }
}

/** What a look found: a document as JSON; `last`: it will not change any more. */
export interface Seen {
  readonly json: string;
  readonly last: boolean;
}

interface LookOptions {
  /** Looks once. Throws where it can't. */
  readonly look: (signal: AbortSignal) => Promise<Seen>;
  /** Milliseconds between two looks, at least. */
  readonly everyMs: number;
  readonly asError: (error: unknown) => ApiError;
}

/** Told of news: a document that differs from the one before, or that a look failed. */
export interface Listener {
  changed(seen: Seen): void;
  failed(error: ApiError): void;
}

/** A look that costs much is made less often: it takes at most this share of the time. */
const SHARE = 0.2;
/** After a look that failed, milliseconds. */
const AFTER_FAILURE = 5_000;

/** One look for all who want to know the same. It is made again and again while somebody listens, and only then. */
export class SharedLook {
  readonly #options: LookOptions;
  readonly #listeners = new Set<Listener>();
  #stop: AbortController | null = null;
  #seen: Seen | null = null;

  constructor(options: LookOptions) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#listeners.size === 0;
  }

  /** Tells the listener what is known at once, and what is new from then on; until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#stop === null) {
      // What was seen before somebody listened may be long past.
      this.#seen = null;
      this.#stop = new AbortController();
      void this.#loop(this.#stop.signal);
    } else if (this.#seen !== null) listener.changed(this.#seen);
    return () => {
      if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
      this.#stop?.abort();
      this.#stop = null;
    };
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = performance.now();
      const failed = await this.#once(signal);
      if (this.#seen?.last === true) return;
      const took = performance.now() - began;
      const rest = failed ? AFTER_FAILURE : Math.max(this.#options.everyMs - took, took / SHARE - took);
      await wait(rest, signal);
    }
  }

  /** True when it failed. */
  async #once(signal: AbortSignal): Promise<boolean> {
    try {
      const seen = await this.#options.look(signal);
      if (signal.aborted || seen.json === this.#seen?.json) return false;
      this.#seen = seen;
      for (const listener of this.#listeners) listener.changed(seen);
      return false;
    } catch (error) {
      if (signal.aborted) return false;
      const told = this.#options.asError(error);
      for (const listener of this.#listeners) listener.failed(told);
      return true;
    }
  }
}

/** Runs a declared verb that only reads. Returns its rows, or its answer as the only one. Throws what the verb throws. */
export async function askVerb(
  verbs: VerbRunner,
  name: string,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const rows: unknown[] = [];
  const { answer, error } = await verbs.call({
    ...{ name, input, who: 'manager', dryRun: false, yes: false, tz: null, attachments: null, signal },
    ...{ report: () => {}, notice: () => {}, warn: () => {} },
    row: async (row) => void rows.push(row),
  });
  if (error !== null)
    throw new BatchctlError(error.kind as ErrorKind, error.message, error.hint === null ? {} : { hint: error.hint });
  return answer === undefined ? rows : [answer];
}

/** The status of a job. Throws `notFound`. */
export async function askStatus(verbs: VerbRunner, job: string, signal: AbortSignal): Promise<JobStatus> {
  const [status] = await askVerb(verbs, 'status', { job }, signal);
  return status as JobStatus;
}
