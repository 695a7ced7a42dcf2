import { BatchctlError } from '../../errors.ts';
import { readSecretFile } from '../../lib/secret-file.ts';
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
    return await readSecretFile(rest);
  } catch (cause) {
    throw new BatchctlError('config', `the secret ${reference}: ${cause instanceof Error ? cause.message : cause}`, {
      hint: 'correct the path, or let this user read it',
      cause,
    });
  }
}
