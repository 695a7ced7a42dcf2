import { lstatSync } from 'node:fs';
import { BatchctlError, hasCode } from '../../errors.ts';

/** True if a name isn't valid UTF-8: Node decodes it to another name, which doesn't exist. */
export function isInvalidUtf8(path: string): boolean {
  return path.includes('\ufffd') && lstatSync(path, { throwIfNoEntry: false }) === undefined;
}

/** The error for a directory among the inputs that can't be read: `notFound`, as for other missing inputs. */
export function unreadableDirectoryError(path: string, cause: unknown): BatchctlError {
  const why = hasCode(cause, 'EACCES', 'EPERM') ? 'is not readable' : `can't be read (${String(cause)})`;
  return new BatchctlError('notFound', `the directory ${path} ${why}, so its content would be left out`, {
    cause,
    hint: `chmod u+rx '${path}', or list the files explicitly`,
  });
}

export function brokenLinkError(path: string, cause?: unknown): BatchctlError {
  return new BatchctlError('notFound', `the input ${path} is a broken link, so its data would be left out`, {
    cause,
    hint: 'restore its target (is a disk not mounted?), or remove the link',
  });
}

export function invalidUtf8Error(path: string): BatchctlError {
  return new BatchctlError('notFound', `the name of ${JSON.stringify(path)} is not valid UTF-8, so it can't be read`, {
    hint: 'rename it: convmv -f latin1 -t utf8 previews the new name, and renames with --notest',
  });
}
