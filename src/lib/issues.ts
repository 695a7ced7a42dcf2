import type * as z from 'zod';
import { MOST_PROBLEMS, notAllowed, type Path, type Problem, unknownName } from './problems.ts';

type Issue = z.core.$ZodIssue;

/**
 * What a schema of `fields.ts` found wrong, as problems. There every issue's message says what is allowed
 * (for unknown keys: the known ones), so that only what was found is added here. Of very many the first are answered, at
 * least one more than `MOST_PROBLEMS`.
 */
export function problemsOf(issues: readonly Issue[], root: unknown): Problem[] {
  return first(issues, (issue) => problemOf(issue, [], root));
}

/** What a few of these come to: enough to know that there are too many to tell of. */
function first<T>(of: readonly T[], problemsOf: (each: T) => readonly Problem[]): Problem[] {
  const problems: Problem[] = [];
  for (const each of of) {
    if (problems.length > MOST_PROBLEMS) break;
    problems.push(...problemsOf(each));
  }
  return problems;
}

function problemOf(issue: Issue, above: Path, root: unknown): Problem[] {
  const path = [...above, ...issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))];
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ');
    return first(issue.keys, (key) => [{ path: [...path, key], message: unknownName('field', key, known), key: true }]);
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? issue.message;
    return [{ path, message: `this name is not allowed; allowed: ${allowed}`, key: true }];
  }
  if (issue.code === 'invalid_union') {
    // The alternative that was meant is the one whose mistake lies deeper (an item of a list).
    const deeper = issue.errors.find((option) => option.length > 0 && option.every((inner) => inner.path.length > 0));
    if (deeper !== undefined) return first(deeper, (inner) => problemOf(inner, path, root));
  }
  return [{ path, message: notAllowed(path, valueAt(root, path), issue.message) }];
}

/** What stands at a path of a plain value; undefined when nothing does. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}
