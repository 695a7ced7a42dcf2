import { BatchctlError, exitCodeOf, hasCode, isBatchctlError, isFull } from '../errors.ts';
import { withAccessCommand } from '../lib/access-command.ts';
import type { GlobalFlags } from './global-flags.ts';
import type { Io } from './io.ts';
import { withPagePaths } from './pages.ts';
import { escapeControls } from './terminal-text.ts';

const REPORT =
  'this is a bug: run the command again with --verbose and report the output, with that of batchctl --version';

/** Thrown when stdout's reader is gone: the command ends silently. */
export class ClosedPipe extends Error {}

/** Reports an error on stderr, with `--json` as its last line, and returns the exit code. */
export function reportError(error: unknown, io: Io, flags: Pick<GlobalFlags, 'json' | 'verbose'>): number {
  if (error instanceof ClosedPipe) return 0;
  const known = toBatchctlError(error);
  if (flags.verbose) io.stderr.write(`${escapeControls(stackOf(error))}\n`);
  if (flags.json) {
    const { kind, message, hint = null } = known;
    io.stderr.write(`${JSON.stringify({ error: { kind, message, hint } })}\n`);
  } else {
    io.stderr.write(`${labelOf(known)}${escapeControls(known.message)}\n`);
    if (known.hint !== undefined) io.stderr.write(`hint: ${withPagePaths(escapeControls(known.hint))}\n`);
  }
  return exitCodeOf(known);
}

/** Stopping a command with Ctrl-C is not an error to whoever did it. */
function labelOf({ kind, message }: BatchctlError): string {
  if (kind !== 'interrupted') return 'error: ';
  return message.startsWith('interrupted') ? '' : 'interrupted: ';
}

/** The exit code of an error; 0 if the reader is gone. */
export const exitOf = (error: unknown): number =>
  error instanceof ClosedPipe ? 0 : exitCodeOf(toBatchctlError(error));

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
      hint: withAccessCommand('choose another path, or allow this user to read and write there', String(error.path)),
      cause: error,
    });
  }
  return new BatchctlError('unexpected', message === '' ? 'unexpected error' : message, { hint: REPORT, cause: error });
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(error.cause)}`;
}
