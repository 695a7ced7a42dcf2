import { signal } from '@preact/signals';
import { hashOf, parseRoute, type Route } from './hash.ts';

export const route = signal<Route>(parseRoute(''));

export function startRoute(): void {
  const read = (): void => {
    route.value = parseRoute(location.hash);
  };
  addEventListener('hashchange', read);
  read();
}

/** Keeps what a view is narrowed to in the hash, without a step of the history for each letter. */
export function replaceQuery(query: Readonly<Record<string, string>>): void {
  const { view, names } = route.value;
  history.replaceState(null, '', hashOf([view, ...names], query));
  route.value = parseRoute(location.hash);
}
