import { signal } from '@preact/signals';
import { hashOf, parseRoute, type Route } from './hash.ts';

export const route = signal<Route>(parseRoute(''));

/** How far down each entry of the history was, pixels, by the number that is kept with it. */
const scrolled: number[] = [];
/** The number of the entry that is shown. */
let entry = 0;

/** How far down what is shown was before, for who comes back to it; 0 of what is new. */
export const scrolledBefore = (): number => scrolled[entry] ?? 0;

export function startRoute(): void {
  history.scrollRestoration = 'manual';
  const read = (): void => {
    const { entry: known } = (history.state ?? {}) as { readonly entry?: number };
    // After a load the numbers of before are taken.
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

/** Keeps what a view is narrowed to in the hash, without a step of the history for each letter. */
export function replaceQuery(query: Readonly<Record<string, string>>): void {
  const { view, names } = route.value;
  history.replaceState(history.state, '', hashOf([view, ...names], query));
  route.value = parseRoute(location.hash);
}
