import { BatchctlError, isBatchctlError } from '../errors.ts';
import { type Finding, fail, warn } from '../model/finding.ts';

/**
 * Runs a check. A mistake in the profile is a failure; a denied look is a warning that it was not checked; a service
 * that doesn't answer ends the validation.
 */
export async function collectFindings(look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    if (error.denied !== undefined) return [warn(`not validated: ${error.message}`, error.hint ?? null)];
    if (error.kind === 'config' || error.kind === 'notFound') return [fail(error.message, error.hint ?? null)];
    throw error;
  }
}

/** Throws `config` if anything fails, with all findings: a mistake is seldom alone. */
export function requireValid(found: readonly Finding[]): void {
  const [first, ...others] = found.filter(({ severity }) => severity === 'fail');
  if (first === undefined) return;
  if (others.length === 0) {
    throw new BatchctlError('config', first.message, { ...(first.fix !== null && { hint: first.fix }) });
  }
  const lines = [first, ...others].flatMap(({ message, fix }) => [message, ...(fix === null ? [] : [`  ${fix}`])]);
  const text = `nothing is created, because of ${others.length + 1} problems\n${lines.join('\n')}`;
  throw new BatchctlError('config', text, { hint: 'batchctl infra plan validates again' });
}

/** Possible problems, one line each. */
export const warningsOf = (found: readonly Finding[]): readonly string[] =>
  found.flatMap(({ severity, message, fix }) =>
    severity === 'warn' ? [fix === null ? message : `${message}: ${fix}`] : [],
  );
