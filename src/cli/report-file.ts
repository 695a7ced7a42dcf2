import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { BatchctlError } from '../errors.ts';

export interface ReportSink {
  write(text: string): Promise<void>;
  /** Call once everything is written: makes the file appear. Returns its size in bytes. */
  commit(): Promise<number>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** A file that appears complete or not at all. Throws `usage` if it can't be written. */
export async function openReportFile(path: string): Promise<ReportSink> {
  const temporaryPath = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  let bytes = 0;
  const handle = await withWriteError(path, () => open(temporaryPath, 'wx'));
  const abandon = async (): Promise<void> => {
    await handle.close().catch(() => undefined);
    await rm(temporaryPath, { force: true });
  };
  return {
    async write(text) {
      const buffer = Buffer.from(text);
      await withWriteError(path, () => writeAll(handle, buffer)).catch(async (error: unknown) => {
        await abandon();
        throw error;
      });
      bytes += buffer.length;
    },
    async commit() {
      await withWriteError(path, async () => {
        await handle.sync();
        await handle.close();
        await rename(temporaryPath, path);
      }).catch(async (error: unknown) => {
        await abandon();
        throw error;
      });
      return bytes;
    },
    abandon,
  };
}

async function writeAll(handle: FileHandle, buffer: Buffer): Promise<void> {
  for (let done = 0; done < buffer.length; ) done += (await handle.write(buffer, done)).bytesWritten;
}

async function withWriteError<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new BatchctlError('usage', `can't write the report to ${path}: ${found}`, {
      cause,
      hint: 'choose a file in an existing, writable directory',
    });
  }
}
