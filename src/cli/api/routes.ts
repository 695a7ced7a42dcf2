import type { Scope } from '../../model/api.ts';
import type { Verb } from '../../ports/verbs.ts';

export interface Route extends Pick<Verb, 'scope' | 'method' | 'path' | 'list'> {
  /** Options that name files of the caller's machine or refer to its terminal: never accepted from a caller. */
  readonly without?: readonly string[];
  /** Options that need more than the verb's scope. */
  readonly scopeWith?: Readonly<Record<string, Scope>>;
  /** `GET` path of the same verb without those options. */
  readonly shownAt?: string;
}

const SUBMIT: Scope = 'submit';
const OPERATE: Scope = 'operate';

const one = (scope: Scope, line: string, without?: readonly string[]): Route => ({
  ...endpoint(line),
  ...{ scope, list: false },
  ...(without && { without }),
});

function endpoint(line: string): Pick<Route, 'method' | 'path'> {
  const [method, path] = line.split(' ') as [Verb['method'], string];
  return { method, path };
}

/** The verbs that a manager offers and that are not declared in `src/verbs/` yet. What isn't here needs the caller's own machine, or its own rights in an account. */
export const ROUTES: Readonly<Record<string, Route>> = {};
