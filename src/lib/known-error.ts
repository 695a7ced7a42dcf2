import { BatchctlError, hasCode, isBatchctlError, isFull } from '../errors.ts';
import { withCommandFor } from './access-command.ts';

const REPORT =
  'this is a bug: run the command again with --verbose and report the output, with that of batchctl --version';

/** Any error as one with a kind: those of Node's own that people can do something about, and `unexpected`. */
export function toBatchctlError(error: unknown): BatchctlError {
  if (isBatchctlError(error)) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new BatchctlError('interrupted', 'interrupted', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  if (isFull(error)) {
    return new BatchctlError('full', message, { hint: 'free some space and run it again', cause: error });
  }
  // An error with a path comes from a file. A port that can't be opened is reported elsewhere.
  if (error instanceof Error && hasCode(error, 'EACCES', 'EPERM', 'EROFS') && 'path' in error) {
    return new BatchctlError('refused', message, {
      hint: withCommandFor(error, 'choose another path, or allow this user to read and write there'),
      cause: error,
    });
  }
  return new BatchctlError('unexpected', message === '' ? 'unexpected error' : message, { hint: REPORT, cause: error });
}
