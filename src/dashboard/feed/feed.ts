import { computed, effect, type ReadonlySignal, signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { API } from '../../model/api.ts';
import type { ApiError, Overview } from '../api-routes.ts';
import { CallError, send } from '../call.ts';
import { instant } from '../clock.ts';
import { route } from '../route.ts';
import { token } from '../session.ts';
import { changes } from '../use-ask.ts';
import { visible } from '../visible.ts';
import { parseClean } from '../words/text.ts';
import { EventParser, type ServerEvent } from './event-parser.ts';

/** Whether what is shown is what is. Instants are milliseconds since the epoch. */
export type Health =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Nothing comes: it is tried again. */
  | { readonly state: 'lost'; readonly since: number; readonly why: string }
  /** The last document stands until somebody takes it up again. */
  | { readonly state: 'ended' }
  /** There is nothing to follow, and it isn't tried again. */
  | { readonly state: 'refused'; readonly error: CallError };

/** A comment comes each 15 s: after two and some the connection is dead, whatever TCP says. */
const SILENCE_MS = 40_000;

const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [500, 15_000];

/** Between two glances. */
const GLANCE_MS = 15_000;

/** Why reading ended where it was only a glance, or there is no more for now. */
const GLANCED = Symbol('glanced');

/**
 * Follows a path of server-sent events, each a whole document, and takes it up again when it breaks off. A browser has six
 * connections to an origin, for all its tabs: one is held only while the feed is near, else each 15 s for a glance.
 */
class Feed<T> {
  readonly value = signal<T | null>(null);
  readonly health = signal<Health>({ state: 'connecting' });
  /** Why the manager's last look failed; null after one that did not. */
  readonly trouble = signal<ApiError | null>(null);
  readonly #path: string;
  readonly #event: string;
  readonly #near: ReadonlySignal<boolean>;
  readonly #stop = new AbortController();
  /** Ends the connection that is there. */
  #leave: (() => void) | null = null;
  readonly #unwatch: () => void;
  #wait = FIRST_WAIT_MS;
  #again: (() => void) | null = null;
  #heard = instant();

  /** `event`: the name of those that bring the document; `near`: whether somebody looks at what it brings. */
  constructor(path: string, event: string, near: ReadonlySignal<boolean>) {
    this.#path = path;
    this.#event = event;
    this.#near = near;
    void this.#follow();
    addEventListener('online', this.retry);
    this.#unwatch = effect(() => {
      if (near.value) this.retry();
      else this.#leave?.();
    });
  }

  stop(): void {
    this.#stop.abort();
    this.retry();
    this.#unwatch();
    removeEventListener('online', this.retry);
  }

  /** Doesn't wait any longer before the next try. */
  readonly retry = (): void => this.#again?.();

  async #follow(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const why = await this.#read();
      if (this.#stop.signal.aborted || why === null) return;
      if (why === GLANCED) {
        const isOver = this.health.value.state === 'ended';
        if (isOver || !this.#near.peek()) await this.#rest(GLANCE_MS);
        continue;
      }
      const { value } = this.health;
      const since = value.state === 'lost' ? value.since : this.#heard;
      this.health.value = { state: 'lost', since, why };
      await this.#rest(this.#nextWait());
    }
  }

  /** Reads until it breaks off or was a glance, and says why; null: it is refused. */
  async #read(): Promise<string | typeof GLANCED | null> {
    const silent = new AbortController();
    const left = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    const signal = AbortSignal.any([silent.signal, left.signal, this.#stop.signal]);
    try {
      const { body } = await send(this.#path, { signal });
      if (body === null) return 'the manager sent nothing';
      const parser = new EventParser();
      let told = false;
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return 'the manager ended the connection';
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        this.#heard = instant();
        for (const event of parser.add(value)) {
          if (event.event === 'end') return this.#end();
          if (event.event === 'leaving') return 'the manager has left';
          told = true;
          this.#take(event);
        }
        if (!told) continue;
        // What is shown is new: from here on it may be left.
        this.#leave = () => left.abort();
        if (!this.#near.peek()) return GLANCED;
      }
    } catch (error) {
      return left.signal.aborted ? GLANCED : this.#whyLost(error);
    } finally {
      this.#leave = null;
      clearTimeout(timer);
      silent.abort();
    }
  }

  #take({ event, data }: ServerEvent): void {
    if (event === 'trouble') this.trouble.value = parseClean(data) as ApiError;
    if (event !== this.#event) return;
    this.#wait = FIRST_WAIT_MS;
    this.trouble.value = null;
    this.value.value = parseClean(data) as T;
    if (this.health.value.state !== 'live') this.health.value = { state: 'live' };
  }

  /** What has ended may be taken up again: a job that is retried. */
  #end(): typeof GLANCED {
    this.health.value = { state: 'ended' };
    return GLANCED;
  }

  #whyLost(error: unknown): string | null {
    if (error instanceof CallError) {
      const isFinal = [400, 401, 403, 404, 410, 426].includes(error.status);
      if (!isFinal) return error.message;
      this.health.value = { state: 'refused', error };
      return null;
    }
    return error instanceof DOMException && error.name === 'AbortError'
      ? 'nothing was heard of the manager for 40 s'
      : 'the connection to the manager was lost';
  }

  /** Twice as long each time, and not as long as others wait: a manager that is back has some peace. */
  #nextWait(): number {
    const ms = this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 2);
    return ms;
  }

  async #rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#again = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#again = null;
  }
}

interface Followed<T> {
  readonly value: T | null;
  readonly health: Health;
}

/** Follows a path for as long as a view is there, by glances while nobody sees it. */
export function useFeed<T>(path: string, event: string): Followed<T> {
  const feed = useSignal<Feed<T> | null>(null);
  useEffect(() => {
    const started = new Feed<T>(path, event, visible);
    feed.value = started;
    return () => started.stop();
  }, [path, event]);
  // What had ended may go on by what was done here.
  useEffect(() => feed.peek()?.retry(), [changes.value]);
  const { value } = feed;
  return { value: value?.value.value ?? null, health: value?.health.value ?? { state: 'connecting' } };
}

/** Beside a job, which is followed by itself, only counts of it are shown. */
const near = computed(() => visible.value && (route.value.view !== 'jobs' || route.value.names.length === 0));

const feed = signal<Feed<Overview> | null>(null);

/** All that goes on; null until the first look. It stays when the connection is lost: `health` says so. */
export const overview = computed(() => feed.value?.value.value ?? null);

export const health = computed<Health>(() => feed.value?.health.value ?? { state: 'connecting' });

export const trouble = computed(() => feed.value?.trouble.value ?? null);

export const retryNow = (): void => feed.peek()?.retry();

/** Follows while somebody is signed in. */
export function startOverview(): void {
  effect(() => {
    if (token.value === null) {
      feed.value = null;
      return undefined;
    }
    const started = new Feed<Overview>(`${API}/events`, 'overview', near);
    feed.value = started;
    return () => started.stop();
  });
}
