import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Receipt } from '../../src/ports/task-queue.ts';

/** What a test asks of the queue that the lease thread makes; the test and the thread share nothing but a log file. */
export interface FakeLeaseQueueOptions {
  /** A line of JSON for each call: what was done. */
  readonly log: string;
  /** Receipts that begin with one of these are refused. */
  readonly refuse?: readonly string[];
  /** The queue can't be opened while this file doesn't exist, as one whose service is away. */
  readonly awayUntil?: string;
  /** Extensions take until this file exists. */
  readonly busyUntil?: string;
}

export function fakeLeaseQueue(options: FakeLeaseQueueOptions) {
  const write = (entry: object) => appendFileSync(options.log, `${JSON.stringify(entry)}\n`);
  if (options.awayUntil !== undefined && !existsSync(options.awayUntil)) {
    write({ call: 'away' });
    // By name, as adapters' errors are known; their class would make this thread start later.
    throw Object.assign(new Error('the service is away'), { name: 'BatchctlError', kind: 'unavailable' });
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
