import { readFileSync } from 'node:fs';
import { BatchctlError } from '../errors.ts';

/**
 * Resolves a step's secrets at an attempt: `env:NAME` of the worker, `file:/path` (a last newline is dropped).
 * Throws `config`, naming the reference and never the value.
 */
export function resolveSecrets(secrets: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(secrets).map(([name, reference]) => [name, resolve(name, reference)]));
}

function resolve(name: string, reference: string): string {
  const [scheme, rest] = [reference.slice(0, reference.indexOf(':')), reference.slice(reference.indexOf(':') + 1)];
  if (scheme === 'env') {
    const value = process.env[rest];
    if (value !== undefined) return value;
    throw unresolved(name, reference, `the worker's environment has no ${rest}`);
  }
  if (scheme === 'file') {
    try {
      return readFileSync(rest, 'utf8').replace(/\r?\n$/, '');
    } catch (cause) {
      throw unresolved(name, reference, `the worker can't read ${rest}`, cause);
    }
  }
  throw unresolved(name, reference, 'this backend resolves env: and file: only');
}

function unresolved(name: string, reference: string, why: string, cause?: unknown): BatchctlError {
  return new BatchctlError('config', `secret ${name} (${reference}): ${why}`, {
    hint: 'start the worker where the secret can be read, or change the reference in the job file',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Replaces every secret's value (of four characters or more) in a text by stars. */
export function maskSecrets(text: string, secrets: Readonly<Record<string, string>>): string {
  // A secret of several lines (a key file) is masked line by line too: a log may hold one of them.
  const values = Object.values(secrets).flatMap((value) => [value, ...value.split(/\r?\n/)]);
  return values.reduce((masked, value) => (value.length < 4 ? masked : masked.replaceAll(value, '****')), text);
}
