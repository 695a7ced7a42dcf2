import { BatchctlError } from '../errors.ts';
import { isSafeRelativePath } from './output.ts';

/**
 * Whether a job may name a secret's reference. For `ssm:` and `secretsmanager:` the service itself checks access.
 * `env:` and `file:` name secrets of the worker's machine, and must match a pattern, in which `*` matches any
 * characters but `/`.
 */
export function isAllowed(reference: string, patterns: readonly string[]): boolean {
  if (!/^(env|file):/.test(reference) || patterns.includes(reference)) return true;
  // A path with `..` would leave the directory of the pattern.
  if (reference.startsWith('file:') && !isSafeRelativePath(reference.slice('file:/'.length))) return false;
  return patterns.some((pattern) => matches(reference, pattern));
}

function matches(reference: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`).test(reference);
}

export const allowSecretsLine = (reference: string): string => `"allowSecrets": [${JSON.stringify(reference)}]`;

/** Throws `jobFile` for a step with a reference that its workers would refuse. `patterns`: null allows any. */
export function requireAllowedSecrets(
  steps: readonly { readonly name: string; readonly secrets: Readonly<Record<string, string>> }[],
  patterns: readonly string[] | null,
): void {
  if (patterns === null) return;
  for (const step of steps) {
    for (const [name, reference] of Object.entries(step.secrets)) {
      if (isAllowed(reference, patterns)) continue;
      throw new BatchctlError('jobFile', `steps.${step.name}.secrets.${name}: workers may not read ${reference}`, {
        hint: `add ${allowSecretsLine(reference)} to the profile, also where workers run; or keep the secret in ssm:`,
      });
    }
  }
}
