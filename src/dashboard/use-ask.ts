import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ApiAnswer, ApiInput, ApiName } from './api-routes.ts';
import { CallError, call } from './call.ts';
import { instant } from './clock.ts';
import { whenSeen } from './visible.ts';

/** After a change it is asked again: not before so many milliseconds, ... */
const CALM_MS = 1_000;
/** ... and not before it has rested for so many times as long as it took. */
const REST = 4;
/** A question that is asked by the clock is on its way for this share of the time at most. */
const SHARE = 0.05;

interface AskerOptions {
  /** Asks; it takes care of what goes wrong. */
  readonly ask: (signal: AbortSignal) => Promise<void>;
  /** Milliseconds until it is asked again by itself; undefined: never. */
  readonly everyMs: number | undefined;
  /** Calls back once somebody may be looking: at once, or later. */
  readonly whenSeen: (act: () => void, signal: AbortSignal) => void;
}

/** Asks now, after changes, and by the clock; one at a time, and what is on its way is never given up for a newer one. */
class Asker {
  readonly #options: AskerOptions;
  readonly #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #changed = false;
  /** It is to be asked once somebody looks. */
  #unseen = false;
  #took = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AskerOptions) {
    this.#options = options;
    void this.#ask();
  }

  /** Something is different: what was answered may be old. */
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
    [this.#busy, this.#changed, this.#unseen] = [true, false, false];
    const began = performance.now();
    await this.#options.ask(signal);
    this.#endedAt = performance.now();
    this.#took = this.#endedAt - began;
    this.#busy = false;
    this.#next();
  }

  #next(): void {
    const { everyMs, whenSeen } = this.#options;
    const wait = this.#changed
      ? Math.max(CALM_MS, this.#took * REST)
      : everyMs === undefined
        ? null
        : Math.max(everyMs, this.#took / SHARE);
    if (wait === null || this.#unseen || this.#stop.signal.aborted) return;
    clearTimeout(this.#timer);
    const rest = Math.max(0, this.#endedAt + wait - performance.now());
    this.#timer = setTimeout(() => {
      this.#unseen = true;
      whenSeen(() => void this.#ask(), this.#stop.signal);
    }, rest);
  }
}

interface Asked<T> {
  /** The last answer; it stays while it is asked for again, and when that fails. */
  readonly document: T | null;
  readonly error: CallError | null;
  /** Milliseconds since the epoch of the last answer. */
  readonly at: number | null;
  readonly busy: boolean;
  readonly again: () => void;
}

interface AskOptions {
  /** Asked again soon when it differs: what a change is recognised by. */
  readonly when?: string | number;
  /** Milliseconds until it is asked again; a question that takes long is asked less often, and none that nobody sees. */
  readonly everyMs?: number;
}

interface Found<T> {
  readonly key: string;
  readonly document: T;
  readonly at: number;
}

/** Grows with each thing that somebody has changed here: what was asked before may be old. */
export const changes = signal(0);

/** Asks the manager for as long as a view is there; null asks nothing. */
export function useAsk<Name extends ApiName>(
  name: Name,
  input: ApiInput<Name> | null,
  { when = '', everyMs }: AskOptions = {},
): Asked<ApiAnswer<Name>> {
  const found = useSignal<Found<ApiAnswer<Name>> | null>(null);
  const error = useSignal<CallError | null>(null);
  const busy = useSignal(false);
  const turn = useSignal(0);
  const key = `${name} ${JSON.stringify(input)}`;
  const asker = useRef<Asker | null>(null);
  useEffect(() => {
    if (input === null) return undefined;
    const ask = async (signal: AbortSignal): Promise<void> => {
      busy.value = true;
      try {
        const { document } = await call(name, input, signal);
        found.value = { key, document, at: instant() };
        error.value = null;
      } catch (caught) {
        if (signal.aborted) return;
        error.value = caught instanceof CallError ? caught : new CallError(0, String(caught));
      }
      busy.value = false;
    };
    const started = new Asker({ ask, everyMs, whenSeen });
    asker.current = started;
    return () => started.stop();
  }, [key, everyMs, turn.value, changes.value]);
  const before = useRef(when);
  useEffect(() => {
    if (before.current !== when) asker.current?.poke();
    before.current = when;
  }, [when]);
  const again = (): void => {
    turn.value += 1;
  };
  // An answer to another question is none to this one.
  const answer = found.value?.key === key ? found.value : null;
  return { document: answer?.document ?? null, error: error.value, at: answer?.at ?? null, busy: busy.value, again };
}
