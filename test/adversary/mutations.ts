import { createHash } from 'node:crypto';

/** An object of a store, as it is read and put back. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One change to one object of a finished store. */
export interface Mutation {
  readonly key: string;
  /** Equal for similar mutations, whatever the job, task or number: `job.json spec.steps.*.name changed`. */
  readonly alike: string;
  /** A description for people: `out/000000001@ bytes 4 flipped`. */
  readonly what: string;
  /** The object afterwards; null: removed. */
  readonly after: Pick<StoredObject, 'bytes' | 'metadata'> | null;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
/** A change of a field: its path, and the whole document after it. */
interface FieldChange {
  readonly path: string;
  readonly how: 'changed' | 'removed';
  readonly document: Json;
}

/** One change to an evidence file. */
export interface EvidenceMutation {
  readonly alike: string;
  readonly what: string;
  readonly text: string;
}

const utf8 = new TextEncoder();

/** All mutations of one object; `siblings` are the other objects of its kind in the same place. */
export function mutationsOf(object: StoredObject, siblings: readonly StoredObject[]): readonly Mutation[] {
  const { key, bytes, metadata } = object;
  const kind = kindOf(key);
  const mutations: Mutation[] = [];
  const add = (what: string, after: Mutation['after'], alike = what): void => {
    if (after !== null && isSame(after, object)) return;
    mutations.push({ key, alike: `${kind} ${alike}`, what, after });
  };
  add('deleted', null);
  for (const length of new Set([0, bytes.length >> 1, bytes.length - 1])) {
    if (length >= 0) add(`cut to ${length} bytes`, { bytes: bytes.slice(0, length), metadata }, 'truncated');
  }
  add('one byte longer', { bytes: Uint8Array.of(...bytes, 0x0a), metadata });
  for (const at of new Set([0, bytes.length >> 1, bytes.length - 1])) {
    if (at < 0) continue;
    const flipped = Uint8Array.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    add(`bit of byte ${at} flipped`, { bytes: flipped, metadata }, 'bit flipped');
  }
  for (const sibling of siblings) add(`replaced by ${sibling.key}`, sibling, 'replaced by a sibling');
  for (const [name, text] of Object.entries(metadata)) {
    const { [name]: _, ...others } = metadata;
    add(`metadata ${name} removed`, { bytes, metadata: others });
    for (const { path, how, document } of changesOf(parseDocument(text))) {
      const changed = { ...metadata, [name]: JSON.stringify(document) };
      add(`metadata ${path} ${how}`, { bytes, metadata: changed }, `metadata ${generalPath(path)} ${how}`);
    }
  }
  const lines = new TextDecoder().decode(bytes).split('\n');
  for (const [index, line] of lines.entries()) {
    for (const { path, how, document } of changesOf(parseDocument(line))) {
      const text = lines.with(index, JSON.stringify(document)).join('\n');
      const where = lines.length > 1 ? `line ${index} ${path}` : path;
      add(`${where} ${how}`, { bytes: utf8.encode(text), metadata }, `${generalPath(path)} ${how}`);
    }
  }
  return mutations;
}

/** All mutations of an evidence file: of its lines and of their fields. */
export function evidenceMutations(bytes: Uint8Array): readonly EvidenceMutation[] {
  const lines = new TextDecoder().decode(bytes).trimEnd().split('\n');
  const mutations: EvidenceMutation[] = [];
  const add = (what: string, changed: readonly string[], alike = what): void => {
    mutations.push({ alike: `evidence ${alike}`, what: `evidence ${what}`, text: `${changed.join('\n')}\n` });
  };
  for (const [index, line] of lines.entries()) {
    const { line: kind } = JSON.parse(line) as { readonly line: string };
    add(`line ${index} (${kind}) deleted`, lines.toSpliced(index, 1), `${kind} deleted`);
    add(`line ${index} (${kind}) doubled`, lines.toSpliced(index, 0, line), `${kind} doubled`);
    const next = lines[index + 1];
    if (next !== undefined) {
      const other = (JSON.parse(next) as { readonly line: string }).line;
      const swapped = lines.toSpliced(index, 2, next, line);
      add(`lines ${index} and ${index + 1} (${kind}, ${other}) swapped`, swapped, `${kind} and ${other} swapped`);
    }
    for (const { path, how, document } of changesOf(parseDocument(line)))
      add(
        `line ${index} (${kind}) ${path} ${how}`,
        lines.with(index, JSON.stringify(document)),
        `${kind} ${generalPath(path)} ${how}`,
      );
  }
  return mutations;
}

/** An evidence file with a new seal that matches its content. */
export function reseal(text: string): string {
  const lines = text.trimEnd().split('\n').slice(0, -1);
  const hash = createHash('sha256');
  for (const line of lines) hash.update(`${line}\n`);
  return `${lines.join('\n')}\n${JSON.stringify({ line: 'seal', lines: lines.length, sha256: hash.digest('hex') })}\n`;
}

/** A key without the names and numbers that differ from job to job. */
export function kindOf(key: string): string {
  return key
    .replace(/^jobs\/[^/]+/, 'jobs/*')
    .replace(/\/extents\/[^/]+/, '/extents/*')
    .replace(/^code\/.*/, 'code/*')
    .replace(/^runs\/.*/, 'runs/*')
    .replace(/\/steps\/[^/]+/, '/steps/*')
    .replace(/\/files\/.*/, '/files/*')
    .replace(/\/(tries|interruptions|failed|log)\/.*/, '/$1/*')
    .replace(/\d{4,}/g, '*');
}

function generalPath(path: string): string {
  return path.replace(/\b\d+\b/g, '*');
}

function isSame(a: Pick<StoredObject, 'bytes' | 'metadata'>, b: StoredObject): boolean {
  return Buffer.from(a.bytes).equals(b.bytes) && JSON.stringify(a.metadata) === JSON.stringify(b.metadata);
}

/** The JSON document in a text; undefined if it is not JSON, or a bare value. */
function parseDocument(text: string): Json | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A document with each field changed, and with each field removed, one at a time. */
function* changesOf(document: Json | undefined, path = ''): Generator<FieldChange> {
  if (typeof document !== 'object' || document === null) return;
  const isArray = Array.isArray(document);
  for (const [name, value] of Object.entries(document) as [string, Json][]) {
    const inner = path === '' ? name : `${path}.${name}`;
    const withValue = (other: Json): Json =>
      isArray ? document.with(Number(name), other) : { ...document, [name]: other };
    const without = isArray
      ? document.toSpliced(Number(name), 1)
      : Object.fromEntries(Object.entries(document).filter(([other]) => other !== name));
    yield { path: inner, how: 'removed', document: without };
    if (typeof value === 'object' && value !== null) {
      for (const { document: deeper, ...rest } of changesOf(value, inner))
        yield { ...rest, document: withValue(deeper) };
    } else yield { path: inner, how: 'changed', document: withValue(otherThan(value)) };
  }
}

/** Another plausible value of the same type. */
function otherThan(value: Json): Json {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (value === null) return 1;
  if (typeof value !== 'string') return null;
  const at = value.search(/[0-9](?=[^0-9]*$)/);
  if (at >= 0) return `${value.slice(0, at)}${(Number(value[at]) + 1) % 10}${value.slice(at + 1)}`;
  return value === '' ? 'x' : `${value.slice(0, -1)}${value.endsWith('a') ? 'b' : 'a'}`;
}
