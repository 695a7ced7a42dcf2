import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { BatchctlError } from '../errors.ts';

export interface ReportSink {
  write(text: string): Promise<void>;
  /** Call once everything is written: makes the file appear. Returns its size in bytes. */
  commit(): Promise<number>;
  /** Leaves nothing behind. */
  abandon(): Promise<void>;
}

/** A file that appears only when complete. Throws `usage` if it can't be written. */
export async function openReportFile(path: string): Promise<ReportSink> {
  const temporaryPath = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  let bytes = 0;
  const handle = await withWriteError(path, () => open(temporaryPath, 'wx'));
  const abandon = async (): Promise<void> => {
    await handle.close().catch(() => undefined);
    await rm(temporaryPath, { force: true });
  };
  const orAbandon = (work: () => Promise<void>): Promise<void> =>
    withWriteError(path, work).catch(async (error: unknown) => {
      await abandon();
      throw error;
    });
  return {
    async write(text) {
      await orAbandon(() => handle.writeFile(text));
      bytes += Buffer.byteLength(text);
    },
    async commit() {
      await orAbandon(async () => {
        await handle.sync();
        await handle.close();
        await rename(temporaryPath, path);
      });
      return bytes;
    },
    abandon,
  };
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
