import { computed, effect, signal } from '@preact/signals';
import { API } from '../../model/api.ts';
import type { Overview } from '../answers.ts';
import { route } from '../route.ts';
import { token } from '../session.ts';
import { visible } from '../visible.ts';
import { Feed, type Health } from './feed.ts';

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
