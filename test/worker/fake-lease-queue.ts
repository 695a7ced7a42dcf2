import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Receipt } from '../../src/ports/task-queue.ts';

/** How the lease thread's queue behaves. The test and the thread share only a log file. */
export interface FakeLeaseQueueOptions {
  /** A file that gets a line of JSON for each call. */
  readonly log: string;
  /** Leases of receipts with one of these prefixes are lost. */
  readonly refuse?: readonly string[];
  /** The queue can't be opened before this file exists, as if its service were unavailable. */
  readonly awayUntil?: string;
  /** Extensions wait until this file exists. */
  readonly busyUntil?: string;
}

export function fakeLeaseQueue(options: FakeLeaseQueueOptions) {
  const write = (entry: object) => appendFileSync(options.log, `${JSON.stringify(entry)}\n`);
  if (options.awayUntil !== undefined && !existsSync(options.awayUntil)) {
    write({ call: 'away' });
    // Recognized by its name, as adapters' errors are. Importing the class would delay this thread's start.
    throw Object.assign(new Error('the service is unavailable'), { name: 'BatchctlError', kind: 'unavailable' });
  }
  write({ call: 'open' });
  return {
    async extend(receipts: readonly Receipt[]) {
      write({ call: 'extend', receipts });
      while (options.busyUntil !== undefined && !existsSync(options.busyUntil)) await delay(5);
      write({ call: 'extended', receipts });
      return receipts.map((receipt) =>
        options.refuse?.some((start) => receipt.startsWith(start)) ? 'lost' : 'extended',
      );
    },
    async close() {
      write({ call: 'close' });
    },
  };
}
