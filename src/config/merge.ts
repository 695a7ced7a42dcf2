import { isRecord } from '../lib/json.ts';

export type PlainObject = Readonly<Record<string, unknown>>;
type Mutable = Record<string, unknown>;

export interface Layer {
  /** As text: `--tz`, `AWS_REGION`, `/etc/batchctl/config.json (prod)`, `default`. */
  readonly origin: string;
  /** The profile of a file, or null. */
  readonly profile: string | null;
  readonly value: PlainObject;
}

/** Merged values; `origins` maps each leaf (`groups.default.max`) to its layer. */
export interface Merged {
  readonly value: PlainObject;
  readonly origins: ReadonlyMap<string, Layer>;
}

const SEPARATOR = '\u0000';
export const pathKey = (path: readonly (string | number)[]): string => path.join(SEPARATOR);
export const keyPath = (key: string): string[] => key.split(SEPARATOR);

/**
 * Merges layers, in ascending precedence. Maps merge by field, lists and plain values replace; null removes a value of
 * a lower layer; a ledger of another kind replaces the whole ledger.
 */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const value: Mutable = {};
  const origins = new Map<string, Layer>();
  for (const layer of layers) mergeInto(value, layer.value, [], layer, origins);
  return { value, origins };
}

function mergeInto(
  target: Mutable,
  source: PlainObject,
  path: readonly string[],
  layer: Layer,
  origins: Map<string, Layer>,
): void {
  for (const [key, given] of Object.entries(source)) {
    const here = [...path, key];
    if (given === null) {
      delete target[key];
      forget(here, origins);
    } else if (isRecord(given)) {
      const old = target[key];
      const merges = isRecord(old) && !(key === 'ledger' && given.kind !== undefined && old.kind !== given.kind);
      const inner: Mutable = merges ? { ...old } : {};
      if (!merges) forget(here, origins);
      if (Object.keys(given).length === 0) origins.set(pathKey(here), layer);
      target[key] = inner;
      mergeInto(inner, given, here, layer, origins);
    } else {
      forget(here, origins);
      target[key] = given;
      origins.set(pathKey(here), layer);
    }
  }
}

function forget(path: readonly string[], origins: Map<string, Layer>): void {
  const key = pathKey(path);
  for (const known of origins.keys()) if (known === key || known.startsWith(key + SEPARATOR)) origins.delete(known);
}
