import type * as z from 'zod';
import { notAllowed, type Path, type Problem, unknownName } from './problems.ts';

type Issue = z.core.$ZodIssue;

/**
 * What a schema of `fields.ts` found wrong, as problems. There every issue's message says what is allowed
 * (for unknown keys: the known ones), so that only what was found is added here.
 */
export function problemsOf(issues: readonly Issue[], root: unknown): Problem[] {
  return issues.flatMap((issue) => problemOf(issue, [], root));
}

function problemOf(issue: Issue, above: Path, root: unknown): Problem[] {
  const path = [...above, ...issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))];
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ');
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownName('field', key, known), key: true }));
  }
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? issue.message;
    return [{ path, message: `this name is not allowed; allowed: ${allowed}`, key: true }];
  }
  if (issue.code === 'invalid_union') {
    // The alternative that was meant is the one whose mistake lies deeper (an item of a list).
    const deeper = issue.errors.find((option) => option.length > 0 && option.every((inner) => inner.path.length > 0));
    if (deeper !== undefined) return deeper.flatMap((inner) => problemOf(inner, path, root));
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
