import { readFileSync } from 'node:fs';
import { BatchctlError } from '../../errors.ts';
import type { SecretSource } from '../../ports/secret-source.ts';

/** The value of a secret's reference: of this process, or of the profile's service. Nothing that is thrown names it. */
export async function readReference(
  reference: string,
  source: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const rest = reference.slice(reference.indexOf(':') + 1);
  const value = await resolved(reference, rest, source, env);
  if (value !== '') return value;
  throw new BatchctlError('config', `the secret ${reference}: expected text, found none`, {
    hint: `set it where this process runs, or correct the secret of the notification`,
  });
}

async function resolved(
  reference: string,
  rest: string,
  source: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  if (reference.startsWith('env:')) return env[rest] ?? '';
  if (!reference.startsWith('file:')) return source.read(reference);
  try {
    return readFileSync(rest, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new BatchctlError('config', `the secret ${reference}: the file can't be read`, {
      hint: 'correct the path, or let this user read it',
      cause,
    });
  }
}
