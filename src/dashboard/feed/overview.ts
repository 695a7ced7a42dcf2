import { computed, effect, signal } from '@preact/signals';
import { API } from '../../model/api.ts';
import type { Overview } from '../answers.ts';
import { token } from '../session.ts';
import { Feed, type Health } from './feed.ts';

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
    const started = new Feed<Overview>(`${API}/events`, 'overview');
    feed.value = started;
    return () => started.stop();
  });
}
