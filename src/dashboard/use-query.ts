import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiAnswer, ApiInput, ApiName } from './api-routes.ts';
import { asCallError, type CallError, call } from './call.ts';
import { exactNow } from './clock.ts';
import { whenVisible } from './visible.ts';

/** After a change, a call is repeated after at least this many milliseconds. */
const CALM_MS = 1_000;
/** After a change, a call is repeated after at least this many times the duration of the last one. */
const REST_FACTOR = 4;
/** Maximum share of the time that periodic calls may take. */
const SHARE = 0.05;

interface PollerOptions {
  /** Makes the call; handles its own errors. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds between periodic calls; undefined: none. */
  readonly everyMs: number | undefined;
  /** Calls `act` once the tab is in front: now, or later. */
  readonly whenVisible: (act: () => void, signal: AbortSignal) => void;
}

/** Calls now, after changes, and periodically; one call at a time, and a running call is never cancelled for a newer one. */
class Poller {
  readonly #options: PollerOptions;
  readonly #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #changed = false;
  /** True if a call waits for the tab to come to the front. */
  #waitsForTab = false;
  #took = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PollerOptions) {
    this.#options = options;
    void this.#ask();
  }

  /** Reports a change: the last answer may be out of date. */
  poke(): void {
    this.#changed = true;
    if (!this.#busy) this.#next();
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    const { signal } = this.#stop;
    if (this.#busy || signal.aborted) return;
    clearTimeout(this.#timer);
    [this.#busy, this.#changed, this.#waitsForTab] = [true, false, false];
    const began = performance.now();
    await this.#options.ask(signal);
    this.#endedAt = performance.now();
    this.#took = this.#endedAt - began;
    this.#busy = false;
    this.#next();
  }

  #next(): void {
    const { everyMs, whenVisible } = this.#options;
    const wait = this.#changed
      ? Math.max(CALM_MS, this.#took * REST_FACTOR)
      : everyMs === undefined
        ? null
        : Math.max(everyMs, this.#took / SHARE);
    if (wait === null || this.#waitsForTab || this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    const rest = Math.max(0, this.#endedAt + wait - performance.now());
    this.#timer = setTimeout(() => {
      this.#waitsForTab = true;
      whenVisible(() => void this.#ask(), this.#stop.signal);
    }, rest);
  }
}

export interface QueryResult<T> {
  /** The last answer; it stays during the next call, and if that fails. */
  readonly document: T | null;
  readonly error: CallError | null;
  /** Time of the last answer, milliseconds since the epoch. */
  readonly at: number | null;
  readonly busy: boolean;
  readonly again: () => void;
}

interface QueryOptions {
  /** A new value means a change: the call is repeated soon. */
  readonly when?: string | number;
  /** Milliseconds between calls. Slow calls are made less often, and none while the tab is in the background. */
  readonly everyMs?: number;
}

interface Found<T> {
  readonly key: string;
  readonly document: T;
  readonly at: number;
}

/** Counts the changes made on this page: after each, earlier answers may be out of date. */
export const changes = signal(0);

/** Calls the manager for as long as a view is mounted; with input null, makes no call. */
export function useQuery<Name extends ApiName>(
  name: Name,
  input: ApiInput<Name> | null,
  options: QueryOptions = {},
): QueryResult<ApiAnswer<Name>> {
  return useAnswer(
    `${name} ${JSON.stringify(input)}`,
    input === null ? null : async (signal) => (await call(name, input, signal)).document,
    options,
  );
}

export interface ListResult<T> extends QueryResult<T> {
  /** Reads one page more; null: the list is complete. */
  readonly more: (() => void) | null;
}

/** Calls the manager for a list, and for as many pages of it as a person asked for. */
export function useList<Name extends 'history' | 'logs'>(
  name: Name,
  input: ApiInput<Name>,
  options: QueryOptions = {},
): ListResult<ApiAnswer<Name>> {
  const key = `${name} ${JSON.stringify(input)}`;
  const asked = useSignal({ key, pages: 1 });
  const result = useAnswer(
    key,
    async (signal) => {
      const { pages } = asked.peek().key === key ? asked.peek() : { pages: 1 };
      let { document } = await call(name, input, signal);
      for (let page = 1; page < pages && document.next !== null; page += 1) {
        const { document: next } = await call(name, { ...input, after: document.next }, signal);
        document = { ...next, items: [...document.items, ...next.items] } as ApiAnswer<Name>;
      }
      return document;
    },
    options,
  );
  const more = (): void => {
    const { key: of, pages } = asked.peek();
    asked.value = { key, pages: of === key ? pages + 1 : 2 };
    result.again();
  };
  return { ...result, more: result.document?.next == null ? null : more };
}

/** `key` tells one input from another; `read` null: makes no call. */
function useAnswer<T>(
  key: string,
  read: ((signal: AbortSignal) => Promise<T>) | null,
  { when = '', everyMs }: QueryOptions,
): QueryResult<T> {
  const found = useSignal<Found<T> | null>(null);
  const error = useSignal<CallError | null>(null);
  const busy = useSignal(false);
  const turn = useSignal(0);
  const poller = useRef<Poller | null>(null);
  useEffect(() => {
    if (read === null) return undefined;
    const ask = async (signal: AbortSignal): Promise<void> => {
      busy.value = true;
      try {
        found.value = { key, document: await read(signal), at: exactNow() };
        error.value = null;
      } catch (caught) {
        if (signal.aborted) return;
        error.value = asCallError(caught);
      }
      busy.value = false;
    };
    const started = new Poller({ ask, everyMs, whenVisible });
    poller.current = started;
    return () => started.stop();
  }, [key, everyMs, turn.value, changes.value]);
  const before = useRef(when);
  useEffect(() => {
    if (before.current !== when) poller.current?.poke();
    before.current = when;
  }, [when]);
  const again = (): void => {
    turn.value += 1;
  };
  // An answer to earlier input does not count.
  const answer = found.value?.key === key ? found.value : null;
  return { document: answer?.document ?? null, error: error.value, at: answer?.at ?? null, busy: busy.value, again };
}
