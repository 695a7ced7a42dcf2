import { BatchctlError, isOurs } from '../errors.ts';

/** What validating found, before anything is made. */
export interface Finding {
  /** `fail`: what `up` would make could not work. `warn`: it may. */
  readonly status: 'fail' | 'warn';
  readonly message: string;
  /** The command, or the act, that mends it; null where the message says it. */
  readonly mend: string | null;
}

export const failing = (message: string, mend: string | null): Finding => ({ status: 'fail', message, mend });
export const warning = (message: string, mend: string | null): Finding => ({ status: 'warn', message, mend });

/**
 * What a look found. What it threw of the profile's mistakes fails; what nobody may look at is a warning, that it was
 * not looked at; a service that doesn't answer ends the validation.
 */
export async function findings(look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isOurs(error)) throw error;
    if (error.denied !== undefined) return [warning(`not validated: ${error.message}`, error.hint ?? null)];
    if (error.kind === 'config' || error.kind === 'notFound') return [failing(error.message, error.hint ?? null)];
    throw error;
  }
}

/** Throws `config` if anything fails: with all of it, as a mistake is seldom alone. */
export function requireValid(found: readonly Finding[]): void {
  const [first, ...others] = found.filter(({ status }) => status === 'fail');
  if (first === undefined) return;
  if (others.length === 0) {
    throw new BatchctlError('config', first.message, { ...(first.mend !== null && { hint: first.mend }) });
  }
  const lines = [first, ...others].flatMap(({ message, mend }) => [message, ...(mend === null ? [] : [`  ${mend}`])]);
  const text = `nothing is created, because of ${others.length + 1} problems\n${lines.join('\n')}`;
  throw new BatchctlError('config', text, { hint: 'batchctl infra plan validates again' });
}

/** What may not work, a line each. */
export const warningsOf = (found: readonly Finding[]): readonly string[] =>
  found.flatMap(({ status, message, mend }) =>
    status === 'warn' ? [mend === null ? message : `${message}: ${mend}`] : [],
  );
