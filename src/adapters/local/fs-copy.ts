import { constants, copyFileSync, ftruncateSync } from 'node:fs';
import { chmod, type FileHandle, open, rm } from 'node:fs/promises';

const CHUNK = 4 * 1024 * 1024;

export interface CopyOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Copies the first `length` bytes of a file (all, to wherever its end is by then, if undefined) to a new one, sharing
 * blocks where the file system can; answers how many there were. Half a copy is removed when it fails.
 * @throws the signal's reason when it aborts; what the file system throws.
 */
export async function copyBytes(
  from: string,
  to: string,
  length: number | undefined,
  options: CopyOptions = {},
): Promise<number> {
  options.signal?.throwIfAborted();
  try {
    return (await cloneBytes(from, to, length)) ?? (await copyChunks(from, to, length, options));
  } catch (error) {
    await rm(to, { force: true });
    throw error;
  }
}

/** Copy-on-write where the file system has it, whatever the size at once; null where not. */
async function cloneBytes(from: string, to: string, length: number | undefined): Promise<number | null> {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
  } catch {
    // Most file systems can't; whatever else was wrong, copying meets it again.
    await rm(to, { force: true });
    return null;
  }
  await chmod(to, 0o600);
  return withFile(to, 'r+', async (file) => {
    if (length !== undefined) ftruncateSync(file.fd, length);
    return (await file.stat()).size;
  });
}

async function copyChunks(
  from: string,
  to: string,
  length: number | undefined,
  { signal, onProgress }: CopyOptions,
): Promise<number> {
  return withFile(from, 'r', (source) =>
    withFile(to, 'wx', async (target) => {
      const limit = length ?? Number.POSITIVE_INFINITY;
      const size = length ?? (await source.stat()).size;
      const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(CHUNK, size + 1)));
      let done = 0;
      while (done < limit) {
        signal?.throwIfAborted();
        const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, limit - done), done);
        if (bytesRead === 0) break;
        for (let written = 0; written < bytesRead; ) {
          written += (await target.write(buffer, written, bytesRead - written, done + written)).bytesWritten;
        }
        done += bytesRead;
        onProgress?.(done);
      }
      return done;
    }),
  );
}

async function withFile<T>(path: string, flags: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
