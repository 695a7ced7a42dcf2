import { type BatchctlError, exitCodeOf } from '../errors.ts';
import { toBatchctlError } from '../lib/known-error.ts';
import type { GlobalFlags } from './global-flags.ts';
import type { Io } from './io.ts';
import { withPagePaths } from './pages.ts';
import { escapeControls } from './terminal-text.ts';

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

/** Stopping a command with Ctrl-C is not an error to the user. */
function labelOf({ kind, message }: BatchctlError): string {
  if (kind !== 'interrupted') return 'error: ';
  return message.startsWith('interrupted') ? '' : 'interrupted: ';
}

/** The exit code of an error; 0 if the reader is gone. */
export const exitOf = (error: unknown): number =>
  error instanceof ClosedPipe ? 0 : exitCodeOf(toBatchctlError(error));

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${stackOf(error.cause)}`;
}
