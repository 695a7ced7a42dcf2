import { BatchctlError } from '../errors.ts';
import { DATA_PREFIX, dataKey } from '../model/keys.ts';
import type { Metadata } from '../ports/object-store.ts';

/** S3's limit on a whole key, in bytes of UTF-8 (userguide/object-keys). */
const LONGEST = 1_024;
/** Metadata key for the SHA-256 of an object that `upload` put, in hex. */
const SHA256 = 'sha256';

/** Converts a name, with or without `store:`, to its key below `data/`. Throws `usage` for a key outside it. */
export function parseDataKey(text: string): string {
  const key = bareKey(text);
  const wrong = key === '' ? 'it is empty' : mistakeOf(key);
  if (wrong === null) return dataKey(key);
  throw new BatchctlError('usage', `${JSON.stringify(text)} is not a valid key: ${wrong}`, {
    hint: 'use keys like claims/2026-11.csv, without ., .. or empty names between slashes',
  });
}

/** A key prefix: '' or ending in `/`. Throws `usage`. */
export function parseDataPrefix(text: string): string {
  const prefix = bareKey(text).replace(/\/$/, '');
  if (prefix === '') return '';
  return `${parseDataKey(prefix).slice(DATA_PREFIX.length)}/`;
}

/** A key as users see it, without `store:` and `data/`. */
export function bareKey(text: string): string {
  return text.replace(/^store:/, '');
}

/** A whole key without `data/`. */
export function shownKey(key: string): string {
  return key.slice(DATA_PREFIX.length);
}

function mistakeOf(key: string): string | null {
  if (key.split('/').some((name) => name === '..' || name === '.')) return 'it contains . or ..';
  if (key.split('/').includes('')) return 'a name in it is empty';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
  if (/[\x00-\x1f\x7f]/.test(key)) return 'it contains a control character';
  const bytes = Buffer.byteLength(dataKey(key));
  return bytes > LONGEST ? `with ${DATA_PREFIX} it has ${bytes} bytes, more than ${LONGEST}` : null;
}

/** Metadata of raw data with this checksum (`sha256:<hex>`). */
export function dataMetadata(checksum: string): Metadata {
  return { [SHA256]: checksum.slice('sha256:'.length) };
}

/** The checksum that `upload` recorded, `sha256:<hex>`; null if something else put the object. */
export function dataChecksum(metadata: Metadata): string | null {
  const hex = metadata[SHA256];
  return hex === undefined ? null : `sha256:${hex}`;
}
