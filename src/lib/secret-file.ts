import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { BatchctlError, isBatchctlError } from '../errors.ts';

/** Bytes. Linux limits a variable to 128 KiB (execve(2): MAX_ARG_STRLEN). */
const LIMIT = 64 * 1024;

/**
 * The text of the file in a `file:` reference, without a final newline. Throws `config` for a file that can't be read,
 * isn't a regular file, or is larger than 64 KiB. Errors never contain its content.
 */
export async function readSecretFile(path: string): Promise<string> {
  let file: FileHandle | null = null;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for its writer and block the process, SIGTERM's handler included.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) throw secretFileError(`${path} is not a regular file`);
    const into = Buffer.alloc(LIMIT + 1);
    let length = 0;
    for (let read = -1; read !== 0; length += read) {
      ({ bytesRead: read } = await file.read(into, length, into.length - length));
    }
    if (length > LIMIT) throw secretFileError(`${path} is larger than ${LIMIT / 1024} KiB`);
    return into.toString('utf8', 0, length).replace(/\r?\n$/, '');
  } catch (cause) {
    if (isBatchctlError(cause)) throw cause;
    throw secretFileError(`can't read ${path}${cause instanceof Error && 'code' in cause ? ` (${cause.code})` : ''}`);
  } finally {
    await file?.close();
  }
}

const secretFileError = (message: string): BatchctlError =>
  new BatchctlError('config', message, { hint: 'use a regular file of at most 64 KiB that this user can read' });
