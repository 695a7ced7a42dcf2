import { BatchctlError } from '../errors.ts';

/** A draft 2020-12 JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const decoder = new TextDecoder('utf-8', { fatal: true });

type Kind = 'text' | 'number' | 'flag' | 'list' | 'map';
/** The types of a stored document's fields: `|null` if null is a value, `?` if the field may also be absent. */
export interface Shape {
  readonly [field: string]: Kind | `${Kind}|null` | `${Kind}?` | Shape | readonly [Shape];
}

/**
 * Parses an object of the store with a `format`. Throws `corrupt` if it isn't one, or doesn't have the shape, and
 * `newer` for a format above `known`. The error names the key, so that a person can look at it.
 */
export function parseStored<T extends { readonly format: number }>(
  key: string,
  bytes: Uint8Array,
  { known = 1, shape = {} }: { readonly known?: number; readonly shape?: Shape } = {},
): T {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new BatchctlError('corrupt', `${key} is not JSON`, { cause, hint: 'restore it from a backup of the store' });
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || typeof value.format !== 'number') {
    throw new BatchctlError('corrupt', `${key} has no format number`, {
      hint: 'restore it from a backup of the store',
    });
  }
  requireKnownFormat(key, value, known);
  requireShape(key, value, shape);
  return value as unknown as T;
}

/** Throws `newer` for a document with a format above `known`, with the version that it needs, if it says which. */
export function requireKnownFormat(name: string, document: object, known: number): void {
  if (!('format' in document) || typeof document.format !== 'number' || !(document.format > known)) return;
  const needs = 'needs' in document && typeof document.needs === 'string' ? document.needs : null;
  throw new BatchctlError('newer', `${name} has format ${document.format}; this version reads up to ${known}`, {
    hint: `install ${needs === null ? 'the version of batchctl that wrote it' : `batchctl ${needs}`}, or a newer one`,
  });
}

/** Reads an object of the store with a `format`; null if it provably doesn't exist. Throws like `parseStored`. */
export async function readStored<T extends { readonly format: number }>(
  store: { read(key: string): Promise<Uint8Array | null> },
  key: string,
  options?: Parameters<typeof parseStored>[2],
): Promise<T | null> {
  const bytes = await store.read(key);
  return bytes === null ? null : parseStored<T>(key, bytes, options);
}

/** Throws `corrupt`, with the field, for a document that doesn't have the shape. Other fields are allowed. */
export function requireShape(key: string, value: object, shape: Shape, path = ''): void {
  for (const { name, kind, mayBeNull, mayBeMissing, inner } of fieldsOf(shape)) {
    const found = (value as Readonly<Record<string, unknown>>)[name];
    if ((mayBeNull && found === null) || (mayBeMissing && found === undefined)) continue;
    if (kindOf(found) !== kind) throw shapeError(key, path + name, kind, found);
    if (inner === null) continue;
    if (kind === 'map') requireShape(key, found as object, inner, `${path}${name}.`);
    else
      for (const [index, each] of (found as readonly unknown[]).entries()) {
        const at = `${path}${name}.${index}`;
        if (kindOf(each) !== 'map') throw shapeError(key, at, 'map', each);
        requireShape(key, each as object, inner, `${at}.`);
      }
  }
}

interface Field {
  readonly name: string;
  readonly kind: Kind;
  readonly mayBeNull: boolean;
  readonly mayBeMissing: boolean;
  readonly inner: Shape | null;
}

/** A shape is declared once, and a million documents are checked against it. */
const FIELDS = new WeakMap<Shape, readonly Field[]>();

function fieldsOf(shape: Shape): readonly Field[] {
  const known = FIELDS.get(shape);
  if (known !== undefined) return known;
  const fields = Object.entries(shape).map(([name, of]) => fieldOf(name, of));
  FIELDS.set(shape, fields);
  return fields;
}

function fieldOf(name: string, of: Shape[string]): Field {
  if (typeof of !== 'string') {
    const isList = Array.isArray(of);
    const inner: Shape = isList ? of[0] : of;
    return { name, kind: isList ? 'list' : 'map', mayBeNull: false, mayBeMissing: false, inner };
  }
  const kind = of.replace(/\|null$|\?$/, '') as Kind;
  return { name, kind, mayBeNull: kind !== of, mayBeMissing: of.endsWith('?'), inner: null };
}

function kindOf(value: unknown): Kind | null {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'flag';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' && value !== null ? 'map' : null;
}

function shapeError(key: string, field: string, expected: string, found: unknown): BatchctlError {
  const text = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 60);
  return new BatchctlError('corrupt', `${key}: expected ${field} to be a ${expected}, found ${text}`, {
    hint: 'restore it from a backup of the store',
  });
}

/** JSON whose bytes are ASCII, as object metadata must be. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** True for an object with fields: not null, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object in a JSON text; null for any other text. */
export function parseObject(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

export const isText = (value: unknown): value is string => typeof value === 'string';

/** A whole number from 0. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** JSON with sorted keys and no white space: equal values have equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  const sorted = fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
}

/**
 * The value of a key that someone may have typed; undefined if the map itself has none. Every object inherits values for
 * `constructor`, `toString` and the like.
 */
export function ownValue<T>(map: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
