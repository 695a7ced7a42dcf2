import { signal } from '@preact/signals';
import { hashOf, parseRoute, type Route } from './hash.ts';

export const route = signal<Route>(parseRoute(''));

/** Scroll position of each history entry, in pixels, by the number kept in its state. */
const scrolled: number[] = [];
/** The number of the current entry. */
let entry = 0;

/** The current entry's scroll position when it was last left; 0 for a new entry. */
export const savedScroll = (): number => scrolled[entry] ?? 0;

export function startRoute(): void {
  history.scrollRestoration = 'manual';
  const read = (): void => {
    const { entry: known } = (history.state ?? {}) as { readonly entry?: number };
    // After a reload, entries still have their numbers from before.
    if (known !== undefined) scrolled[known] ??= 0;
    entry = known ?? scrolled.push(0) - 1;
    history.replaceState({ entry }, '');
    route.value = parseRoute(location.hash);
  };
  addEventListener('hashchange', () => {
    scrolled[entry] = scrollY;
    read();
  });
  read();
}

/** Keeps a view's filter in the hash, without a history entry for each keystroke. */
export function replaceQuery(query: Readonly<Record<string, string>>): void {
  const { view, names } = route.value;
  history.replaceState(history.state, '', hashOf([view, ...names], query));
  route.value = parseRoute(location.hash);
}
