import { computed, effect, signal } from '@preact/signals';
import { formatDistance } from '../cli/format.ts';
import type { Status } from './api-routes.ts';
import { exactNow, now, zone } from './clock.ts';
import { type Health, health, overview } from './feed/feed.ts';
import { route } from './route.ts';
import { token } from './session.ts';
import { tabOf } from './words/attention.ts';

interface ShownJob {
  readonly job: string;
  readonly status: Status | null;
  readonly health: Health;
}

/** The job whose page is open. */
export const shownJob = signal<ShownJob | null>(null);

/** The health of the data shown. A job's page has a feed of its own, which is heard more often than the overview's. */
export const connection = computed<Health>(() => {
  const own = shownJob.value?.health;
  return own?.state === 'live' || own?.state === 'lost' ? own : health.value;
});

/** `last heard 2m ago`; null while the manager is heard, or was never heard. */
export const lastHeard = computed<string | null>(() => {
  const { value } = connection;
  return value.state === 'lost' ? `last heard ${formatDistance(Math.min(0, value.since - now.value))}` : null;
});

/** Why no action can be taken now; null while the manager is heard. */
export const whyOffline = (): string | null =>
  lastHeard.value === null ? null : `no connection to the manager: ${lastHeard.value}`;

const isLost = ({ state }: Health): boolean => state === 'lost' || state === 'refused';

/** Shows the state of the open view in the tab's title and icon, for people who have another tab in front. */
export function startTab(): void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  effect(() => {
    const { view } = route.value;
    const shown = shownJob.value;
    const facts = {
      view: view.charAt(0).toUpperCase() + view.slice(1),
      job: shown?.job ?? null,
      status: shown?.status ?? null,
      overview: overview.value,
      live: !isLost(connection.value),
    };
    const { title, tone } =
      token.value === null ? ({ title: 'Sign in · batchctl', tone: 'open' } as const) : tabOf(facts, zone, exactNow());
    document.title = title;
    const href = icon?.dataset[tone];
    if (icon && href !== undefined && icon.getAttribute('href') !== href) icon.setAttribute('href', href);
  });
}
