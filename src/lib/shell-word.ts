import { BatchctlError } from '../errors.ts';

/** A word that a POSIX shell reads back unchanged. Throws `usage` for a NUL, which arguments can't contain. */
export function shellQuote(text: string): string {
  if (text.includes('\0')) {
    throw new BatchctlError('usage', 'Expected an argument without NUL characters, found one with a NUL.', {
      hint: 'Pass binary data in a file or on stdin.',
    });
  }
  return text.includes("'") ? `'${text.replaceAll("'", "'\\''")}'` : `'${text}'`;
}

/** The same for users to paste: quoted only if necessary. Throws `usage` for a NUL. */
export const shellWord = (text: string): string => (/^[\w./@%+=:,-]+$/.test(text) ? text : shellQuote(text));
