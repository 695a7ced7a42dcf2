import { isSecretKey, withoutUserInfo } from '../lib/problems.ts';
import type { Layer, Plain } from './merge.ts';
import { isPlain, pathKey } from './merge.ts';

/** One value of the configuration, and its origin. */
export interface ExplainedValue {
  /** `profile`, `groups.default.max` */
  readonly path: string;
  /** As written; `(hidden)` for a secret. */
  readonly value: unknown;
  /** A flag, an environment variable, a file and profile, or `default`. */
  readonly origin: string;
}

/** Flattens values to one row per leaf, each with its origin; secrets are hidden. */
export function explainValues(value: Plain, origins: ReadonlyMap<string, Layer>): ExplainedValue[] {
  return leaves(value, []).map(([path, leaf]) => ({
    path: path.join('.'),
    value: shown(path, leaf),
    origin: originOf(path, origins),
  }));
}

function* entries(value: Plain, path: readonly string[]): Generator<[string[], unknown]> {
  for (const [key, item] of Object.entries(value)) {
    if (isPlain(item) && Object.keys(item).length > 0) yield* entries(item, [...path, key]);
    else yield [[...path, key], item];
  }
}

const leaves = (value: Plain, path: readonly string[]): [string[], unknown][] => [...entries(value, path)];

function originOf(path: readonly string[], origins: ReadonlyMap<string, Layer>): string {
  return origins.get(pathKey(path))?.origin ?? 'default';
}

function shown(path: readonly string[], value: unknown): unknown {
  if (isSecretKey(path.at(-1) ?? '')) return '(hidden)';
  if (typeof value === 'string') return withoutUserInfo(value);
  if (Array.isArray(value)) return value.map((item) => shown([], item));
  if (isPlain(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown([key], item)]));
  return value;
}
