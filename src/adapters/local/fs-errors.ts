import { BatchctlError, type ErrorKind, hasCode } from '../../errors.ts';
import { withCommandFor } from '../../lib/access-command.ts';

/** Error codes of the file system, with batchctl's kind, and what to do. */
const KNOWN: readonly (readonly [codes: readonly string[], kind: ErrorKind, hint: string])[] = [
  [
    ['ENOSPC', 'EDQUOT', 'EFBIG'],
    'full',
    'Free space on the disk that holds the store (or raise the quota), then continue the work.',
  ],
  [
    ['EACCES', 'EPERM', 'EROFS'],
    'config',
    'Set "root" to a directory with read and write access, or give this user such access to everything in the store',
  ],
  [
    ['EXDEV', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'],
    'config',
    'Set "root" to a directory with a short path, entirely on one local disk.',
  ],
  [
    ['EMFILE', 'ENFILE', 'EIO', 'EBUSY', 'EAGAIN', 'ENOMEM'],
    'unavailable',
    'Try again; if this persists, check the limit on open files (ulimit -n) and the disk.',
  ],
];

/**
 * Translates a file system error into one of batchctl's kinds; any other error is returned unchanged. `doing` completes
 * "The local store could not ...". `root`: the store's, while it is opened. In an open store no directory above is closed.
 */
export function translateFsError(error: unknown, doing: string, root = '/'): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof BatchctlError || !('syscall' in error)) return error;
  const message = `The local store could not ${doing}: ${error.message}`;
  const [, kind, hint] = KNOWN.find(([codes]) => hasCode(error, ...codes)) ?? [];
  if (kind === undefined || hint === undefined) return new BatchctlError('unexpected', message, { cause: error });
  const isDenied = hasCode(error, 'EACCES', 'EPERM') && 'path' in error;
  return new BatchctlError(kind, message, {
    hint: isDenied ? withCommandFor(error, hint, root) : hint,
    cause: error,
  });
}

/** Runs `action` and translates its file system errors. */
export function withFsErrors<T>(doing: string, action: () => T, root?: string): T {
  try {
    return action();
  } catch (error) {
    throw translateFsError(error, doing, root);
  }
}
