import { computed, effect, type ReadonlySignal, signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { API } from '../../model/api.ts';
import type { ApiError, Overview } from '../api-routes.ts';
import { CallError, send } from '../call.ts';
import { exactNow } from '../clock.ts';
import { route } from '../route.ts';
import { token } from '../session.ts';
import { changes } from '../use-query.ts';
import { visible } from '../visible.ts';
import { parseClean } from '../words/text.ts';
import { EventParser, type ServerEvent } from './event-parser.ts';

/** Whether the data shown is up to date. Instants are milliseconds since the epoch. */
export type Health =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** The connection is lost and will be retried. */
  | { readonly state: 'lost'; readonly since: number; readonly why: string }
  /** The last document stays valid unless the job is retried. */
  | { readonly state: 'ended' }
  /** The manager refused; there is no retry. */
  | { readonly state: 'refused'; readonly error: CallError };

/** The manager sends a comment every 15 s: after this silence the connection is dead, whatever TCP says. */
const SILENCE_MS = 40_000;

const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [500, 15_000];

/** Time between two short connections while the feed is not in view. */
const PAUSE_MS = 15_000;

/** Reading ended on purpose: the feed is not in view, or has ended. */
const PAUSED = Symbol('paused');

/**
 * Follows a path of server-sent events, each a whole document, and reconnects when the connection breaks. A browser
 * allows six connections per origin, shared by all tabs. So the feed keeps a connection only while it is in view, and
 * otherwise connects briefly every 15 s.
 */
class Feed<T> {
  readonly value = signal<T | null>(null);
  readonly health = signal<Health>({ state: 'connecting' });
  /** Why the manager could not read the state last time; null if it could. */
  readonly trouble = signal<ApiError | null>(null);
  readonly #path: string;
  readonly #event: string;
  readonly #inView: ReadonlySignal<boolean>;
  readonly #stop = new AbortController();
  /** Closes the current connection. */
  #closeConnection: (() => void) | null = null;
  readonly #unwatch: () => void;
  #wait = FIRST_WAIT_MS;
  #skipWait: (() => void) | null = null;
  #heard = exactNow();

  /** `event`: the name of events that carry the document. `inView`: whether somebody may be looking at it. */
  constructor(path: string, event: string, inView: ReadonlySignal<boolean>) {
    this.#path = path;
    this.#event = event;
    this.#inView = inView;
    void this.#follow();
    addEventListener('online', this.retry);
    this.#unwatch = effect(() => {
      if (inView.value) this.retry();
      else this.#closeConnection?.();
    });
  }

  stop(): void {
    this.#stop.abort();
    this.retry();
    this.#unwatch();
    removeEventListener('online', this.retry);
  }

  /** Reconnects now instead of waiting. */
  readonly retry = (): void => this.#skipWait?.();

  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const why = await this.#read();
      if (this.#stop.signal.aborted || why === null) return;
      if (why === PAUSED) {
        const isOver = this.health.value.state === 'ended';
        if (isOver || !this.#inView.peek()) await this.#sleep(PAUSE_MS);
        continue;
      }
      const { value } = this.health;
      const since = value.state === 'lost' ? value.since : this.#heard;
      this.health.value = { state: 'lost', since, why };
      await this.#sleep(this.#nextWait());
    }
  }

  /** Reads until the connection ends, and returns why; null if the manager refused. */
  async #read(): Promise<string | typeof PAUSED | null> {
    const silent = new AbortController();
    const left = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    const signal = AbortSignal.any([silent.signal, left.signal, this.#stop.signal]);
    try {
      const { body } = await send(this.#path, { signal });
      if (body === null) return 'the manager sent nothing';
      const parser = new EventParser();
      let received = false;
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'the manager closed the connection';
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        this.#heard = exactNow();
        for (const event of parser.add(value)) {
          if (event.event === 'end') return this.#end();
          if (event.event === 'leaving') return 'the manager has shut down';
          received = true;
          this.#accept(event);
        }
        if (!received) continue;
        // The data is up to date: from now on the connection may be closed.
        this.#closeConnection = () => left.abort();
        if (!this.#inView.peek()) return PAUSED;
      }
    } catch (error) {
      return left.signal.aborted ? PAUSED : this.#whyLost(error);
    } finally {
      this.#closeConnection = null;
      clearTimeout(timer);
      silent.abort();
    }
  }

  #accept({ event, data }: ServerEvent): void {
    if (event === 'trouble') this.trouble.value = parseClean(data) as ApiError;
    if (event !== this.#event) return;
    this.#wait = FIRST_WAIT_MS;
    this.trouble.value = null;
    this.value.value = parseClean(data) as T;
    if (this.health.value.state !== 'live') this.health.value = { state: 'live' };
  }

  /** An ended job may be retried, so the feed goes on with short connections. */
  #end(): typeof PAUSED {
    this.health.value = { state: 'ended' };
    return PAUSED;
  }

  #whyLost(error: unknown): string | null {
    if (error instanceof CallError) {
      const isFinal = [400, 401, 403, 404, 410, 426].includes(error.status);
      if (!isFinal) return error.message;
      this.health.value = { state: 'refused', error };
      return null;
    }
    return error instanceof DOMException && error.name === 'AbortError'
      ? 'nothing was received from the manager for 40 s'
      : 'the connection to the manager was lost';
  }

  /** Exponential backoff with jitter, so that pages don't all reconnect at once. */
  #nextWait(): number {
    const ms = this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
    return ms;
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#skipWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#skipWait = null;
  }
}

interface FeedState<T> {
  readonly value: T | null;
  readonly health: Health;
}

/** Follows a path for as long as a view is mounted. */
export function useFeed<T>(path: string, event: string): FeedState<T> {
  const feed = useSignal<Feed<T> | null>(null);
  useEffect(() => {
    const started = new Feed<T>(path, event, visible);
    feed.value = started;
    return () => started.stop();
  }, [path, event]);
  // An action on this page may have reopened what had ended.
  useEffect(() => feed.peek()?.retry(), [changes.value]);
  const { value } = feed;
  return { value: value?.value.value ?? null, health: value?.health.value ?? { state: 'connecting' } };
}

/** On a job's page, which has its own feed, only counts from the overview are shown. */
const inView = computed(() => visible.value && (route.value.view !== 'jobs' || route.value.names.length === 0));

const feed = signal<Feed<Overview> | null>(null);

/** Null until the first event. Kept when the connection is lost: see `health`. */
export const overview = computed(() => feed.value?.value.value ?? null);

export const health = computed<Health>(() => feed.value?.health.value ?? { state: 'connecting' });

export const trouble = computed(() => feed.value?.trouble.value ?? null);

export const retryNow = (): void => feed.peek()?.retry();

/** Follows the overview while signed in. */
export function startOverview(): void {
  effect(() => {
    if (token.value === null) {
      feed.value = null;
      return undefined;
    }
    const started = new Feed<Overview>(`${API}/events`, 'overview', inView);
    feed.value = started;
    return () => started.stop();
  });
}
