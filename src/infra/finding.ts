import { BatchctlError, isBatchctlError } from '../errors.ts';

/** A finding of the validation, which runs before anything is made. */
export interface Finding {
  /** `fail`: what `up` would make could not work. `warn`: it might not. */
  readonly status: 'fail' | 'warn';
  readonly message: string;
  /** The command, or the action, that fixes it; null if the message says it. */
  readonly mend: string | null;
}

export const failing = (message: string, fix: string | null): Finding => ({ status: 'fail', message, mend: fix });
export const warning = (message: string, fix: string | null): Finding => ({ status: 'warn', message, mend: fix });

/**
 * Runs a check. A mistake in the profile is a failure; a denied look is a warning that it was not checked; a service
 * that doesn't answer ends the validation.
 */
export async function collectFindings(look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isBatchctlError(error)) throw error;
    if (error.denied !== undefined) return [warning(`not validated: ${error.message}`, error.hint ?? null)];
    if (error.kind === 'config' || error.kind === 'notFound') return [failing(error.message, error.hint ?? null)];
    throw error;
  }
}

/** Throws `config` if anything fails, with all findings: a mistake is seldom alone. */
export function requireValid(found: readonly Finding[]): void {
  const [first, ...others] = found.filter(({ status }) => status === 'fail');
  if (first === undefined) return;
  if (others.length === 0) {
    throw new BatchctlError('config', first.message, { ...(first.mend !== null && { hint: first.mend }) });
  }
  const lines = [first, ...others].flatMap(({ message, mend: fix }) => [
    message,
    ...(fix === null ? [] : [`  ${fix}`]),
  ]);
  const text = `nothing is created, because of ${others.length + 1} problems\n${lines.join('\n')}`;
  throw new BatchctlError('config', text, { hint: 'batchctl infra plan validates again' });
}

/** What might not work, one line each. */
export const warningsOf = (found: readonly Finding[]): readonly string[] =>
  found.flatMap(({ status, message, mend: fix }) =>
    status === 'warn' ? [fix === null ? message : `${message}: ${fix}`] : [],
  );
