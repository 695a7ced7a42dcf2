import { BatchctlError, hasCode } from '../../errors.ts';

/** What making a directory fails with when it can't be had. */
const UNREACHABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EIO', 'ENAMETOOLONG'] as const;

/** True when another process holds the lock that was wanted: worth another try. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED' || code === 'SQLITE_PROTOCOL';
}

/** An error of SQLite, or of making its directory, in this project's words; any other is answered unchanged. */
export function translateSqlite(error: unknown, file: string): unknown {
  const code = codeOf(error);
  if (error instanceof BatchctlError) return error;
  if (isBusy(error)) {
    return new BatchctlError('unavailable', `${file} stayed locked by another process`, {
      cause: error,
      hint: 'see which process holds it (lsof), and try again',
    });
  }
  if (code === 'SQLITE_FULL' || hasCode(error, 'ENOSPC', 'EDQUOT')) {
    return new BatchctlError('full', `no space is left for ${file}`, {
      cause: error,
      hint: 'free some space on that disk (batchctl prune) and try again: nothing is lost',
    });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new BatchctlError('corrupt', `${file} is not a sound SQLite database (${code})`, {
      cause: error,
      hint: 'stop the workers and move the file away; batchctl verify JOB --repair sends again what is missing',
    });
  }
  if (code === '' && !hasCode(error, ...UNREACHABLE)) return error;
  return new BatchctlError('unavailable', `${file} could not be read or written (${messageOf(error)})`, {
    cause: error,
    hint: 'check that the disk is well and that this user may write there',
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return '';
  return error.code.startsWith('SQLITE_') ? error.code : '';
}
