import { signal } from '@preact/signals';

export const route = signal<Route>(parseRoute(''));

/** Scroll position of each history entry, in pixels, by the number kept in its state. */
const scrolled: number[] = [];
/** The number of the current entry. */
let entry = 0;

/** The current entry's scroll position when it was last left; 0 for a new entry. */
export const scrolledBefore = (): number => scrolled[entry] ?? 0;

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

/** The parsed hash: the open view and its subject. */
interface Route {
  /** `jobs`, `workers`, ... */
  readonly view: string;
  /** The path segments after the view, decoded. */
  readonly names: readonly string[];
  readonly query: URLSearchParams;
}

/** `#/jobs/claims-1/tasks?state=failed`. A segment that can't be decoded stays as it is. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view = '', ...names] = path.split('/').map(decoded);
  return { view: view === '' ? 'jobs' : view, names: names.filter(Boolean), query: new URLSearchParams(query) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The hash of a view; empty query values are left out. */
export function hashOf(names: readonly (string | number)[], query: Readonly<Record<string, string>> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== '');
  const path = `#/${names.map((name) => encodeURIComponent(String(name))).join('/')}`;
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

export const jobHash = (job: string, ...names: readonly (string | number)[]): string => hashOf(['jobs', job, ...names]);

/** The hash of a task's page. */
export const taskHash = (job: string, step: string, task: string | number): string => jobHash(job, 'tasks', step, task);
