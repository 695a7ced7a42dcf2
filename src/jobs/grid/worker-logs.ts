import { BatchctlError, isKind } from '../../errors.ts';
import { bootLogKey, workerLogKey } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';
import { isInstance } from './worker-rows.ts';
import { findWorker } from './workers.ts';

export interface WorkerLogs {
  /** An instance's id, where no worker of it is known. */
  readonly worker: string;
  /** What it said outside its log: as it started, or as it crashed; of an instance, as it booted. Null if nothing. */
  readonly boot: string | null;
  readonly log: string | null;
}

/**
 * What a worker wrote, as of its last heartbeat, also of one that the ledger forgot. An instance's id stands for its
 * last worker; what the instance wrote as it booted lies under its own id. Throws `notFound`.
 */
export async function readWorkerLogs(platform: Platform, text: string): Promise<WorkerLogs> {
  const { worker, host } = await placesOf(platform, text);
  const read = async (key: string): Promise<string | null> => {
    const bytes = await platform.store.read(key);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  };
  const [own, machine, log] = await Promise.all([
    read(bootLogKey(worker)),
    host === null || host === worker ? null : read(bootLogKey(host)),
    read(workerLogKey(worker)),
  ]);
  const boot = own === null && machine === null ? null : `${machine ?? ''}${own ?? ''}`;
  if (boot === null && log === null) {
    throw new BatchctlError('notFound', `${isInstance(worker) ? 'instance' : 'worker'} ${worker} has no log yet`, {
      hint: isInstance(worker)
        ? 'an instance uploads one when its worker starts or its setup fails; until then use aws ec2 get-console-output'
        : 'workers upload it with each heartbeat; batchctl workers lists the workers',
    });
  }
  return { worker, boot, log };
}

async function placesOf(
  platform: Platform,
  text: string,
): Promise<{ readonly worker: string; readonly host: string | null }> {
  try {
    const { worker, host } = await findWorker(platform, text);
    return { worker, host: isInstance(host) ? host : null };
  } catch (error) {
    if (isKind(error, 'notFound') && /^[a-z0-9][a-z0-9-]{0,79}$/.test(text)) return { worker: text, host: null };
    throw error;
  }
}
