import { foldError } from './fold-error.ts';

export { foldError };

/** What failures have in common: step, exit code and the folded last error line. */
export interface CauseOf {
  readonly step: string;
  readonly exitCode: number | null;
  readonly reason: string;
  readonly error: string | null;
}

/** The cause as one line of text, equal for failures that belong together. */
export function causeText(cause: CauseOf): string {
  const error = cause.error === null ? '' : foldError(cause.error);
  return `${cause.step} ${cause.reason} ${cause.exitCode ?? '-'} ${error}`;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * Six base32 characters that stand for a cause: the same in each job, so that one is known again next month. Of a
 * thousand causes two share an id once in two thousand jobs.
 */
export function causeId(cause: CauseOf): string {
  const hash = hash32(causeText(cause));
  return Array.from({ length: 6 }, (_, i) => BASE32[(hash >>> (27 - 5 * i)) & 31] ?? '').join('');
}

/** FNV-1a over the text's UTF-16 bytes, and a last stir so that the upper bits depend on every character. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
