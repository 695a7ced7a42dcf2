import { BatchctlError } from '../errors.ts';

/** A word that a POSIX shell reads back as exactly these characters. Throws `usage` for a NUL, which no argument can hold. */
export function shellQuote(text: string): string {
  if (text.includes('\0')) {
    throw new BatchctlError('usage', 'Expected an argument without NUL characters, found one with a NUL.', {
      hint: 'Pass binary data in a file or on stdin.',
    });
  }
  return text.includes("'") ? `'${text.replaceAll("'", "'\\''")}'` : `'${text}'`;
}

/** The same for people to paste: quoted only where it must be. Throws `usage` for a NUL. */
export const shellWord = (text: string): string => (/^[\w./@%+=:,-]+$/.test(text) ? text : shellQuote(text));
