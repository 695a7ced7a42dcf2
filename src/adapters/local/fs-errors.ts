import { BatchctlError, hasCode } from '../../errors.ts';

/**
 * Translates a file system error into one of batchctl's kinds; any other error is returned unchanged. `doing` completes
 * "The local store could not ...".
 */
export function translateFsError(error: unknown, doing: string): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof BatchctlError || !('syscall' in error)) return error;
  const message = `The local store could not ${doing}: ${error.message}`;
  if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    const hint = 'Free space on the disk that holds the store (or raise the quota), then continue the work.';
    return new BatchctlError('full', message, { hint, cause: error });
  }
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    const hint =
      'Give this user read and write access to everything in the store, or set "root" to a directory with such access.';
    return new BatchctlError('config', message, { hint, cause: error });
  }
  if (hasCode(error, 'EXDEV', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) {
    const hint = 'Set "root" to a directory with a short path, entirely on one local disk.';
    return new BatchctlError('config', message, { hint, cause: error });
  }
  if (hasCode(error, 'EMFILE', 'ENFILE', 'EIO', 'EBUSY', 'EAGAIN', 'ENOMEM')) {
    const hint = 'Try again; if this persists, check the limit on open files (ulimit -n) and the disk.';
    return new BatchctlError('unavailable', message, { hint, cause: error });
  }
  return new BatchctlError('unexpected', message, { cause: error });
}

/** Runs `action` and translates its file system errors. */
export function withFsErrors<T>(doing: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw translateFsError(error, doing);
  }
}
