import { BatchctlError } from '../errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Parses an object of the store that carries a `format`. Throws `corrupt` for what is no such object,
 * and `newer` for a format above `known`: the reader names the key, so that a person can look.
 */
export function parseStored<T extends { readonly format: number }>(key: string, bytes: Uint8Array, known = 1): T {
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
  if (value.format > known) {
    throw new BatchctlError('newer', `${key} has format ${value.format}; this version reads up to ${known}`, {
      hint: 'install the batchctl that wrote it, or a newer one',
    });
  }
  return value as T;
}

/** JSON whose bytes are ASCII, as object metadata must be. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
