/** What failures have in common: step, exit code and the folded last error line. */
export interface CauseOf {
  readonly step: string;
  readonly exitCode: number | null;
  readonly reason: string;
  readonly error: string | null;
}

/**
 * Folds what differs between failures that share a cause: times, paths, ids and numbers. `[x] row 17 of /tmp/a: bad`
 * and `[x] row 9 of /tmp/b: bad` fold to one text.
 */
export function foldError(line: string): string {
  return line
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?/g, '<time>')
    .replace(/(?:[A-Za-z]:)?(?:\.{0,2}\/)[^\s'":,;)]+/g, '<path>')
    .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<id>')
    .replace(/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, '<id>')
    .replace(/-?\d+(?:[.,]\d+)*/g, '<n>')
    .trim();
}

/** The cause as one line of text, equal for failures that belong together. */
export function causeText(cause: CauseOf): string {
  const error = cause.error === null ? '' : foldError(cause.error);
  return `${cause.step} ${cause.reason} ${cause.exitCode ?? '-'} ${error}`;
}
