import { effect, signal } from '@preact/signals';
import type { Status } from './api-routes.ts';
import { instant, zone } from './clock.ts';
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

const isLost = ({ state }: Health): boolean => state === 'lost' || state === 'refused';

/** Shows the state of the open view in the tab's title and icon, for people who have another tab in front. */
export function startTab(): void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  effect(() => {
    const { view } = route.value;
    const shown = shownJob.value;
    const facts = {
      view: view.charAt(0).toUpperCase() + view.slice(1),
      ...{ job: shown?.job ?? null, status: shown?.status ?? null, overview: overview.value },
      live: !isLost(health.value) && (shown === null || !isLost(shown.health)),
    };
    const { title, tone } =
      token.value === null ? ({ title: 'Sign in · batchctl', tone: 'open' } as const) : tabOf(facts, zone, instant());
    document.title = title;
    const href = icon?.dataset[tone];
    if (icon && href !== undefined && icon.getAttribute('href') !== href) icon.setAttribute('href', href);
  });
}
