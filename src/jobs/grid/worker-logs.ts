import { BatchctlError, isKind } from '../../errors.ts';
import { bootLogKey, workerLogKey } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { findWorker } from './workers.ts';

export interface WorkerLogs {
  readonly worker: string;
  /** What it said outside its log: as it started, or as it crashed; null if nothing. */
  readonly boot: string | null;
  readonly log: string | null;
}

/** What a worker wrote, as of its last heartbeat, also of one that the ledger forgot. Throws `notFound`. */
export async function readWorkerLogs(platform: Platform, text: string): Promise<WorkerLogs> {
  const worker = await idOf(platform, text);
  const [boot, log] = await Promise.all(
    [bootLogKey(worker), workerLogKey(worker)].map(async (key) => {
      const bytes = await platform.store.read(key);
      return bytes === null ? null : new TextDecoder().decode(bytes);
    }),
  );
  if ((boot ?? null) === null && (log ?? null) === null) {
    throw new BatchctlError('notFound', `worker ${worker} has no log yet: it is put with each heartbeat`, {
      hint: 'batchctl workers lists the workers',
    });
  }
  return { worker, boot: boot ?? null, log: log ?? null };
}

async function idOf(platform: Platform, text: string): Promise<string> {
  try {
    return (await findWorker(platform, text)).worker;
  } catch (error) {
    if (isKind(error, 'notFound') && /^[a-z0-9][a-z0-9-]{0,79}$/.test(text)) return text;
    throw error;
  }
}
