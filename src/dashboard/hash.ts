export interface Route {
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

/** `task`: STEP/NUMBER. */
export const taskHash = (job: string, task: string): string => jobHash(job, 'tasks', ...task.split('/'));
