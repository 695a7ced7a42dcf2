import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Receipt } from '../../src/ports/task-queue.ts';

/** What a test asks of the queue that the lease thread makes; the test and the thread share nothing but a log file. */
export interface FakeLeaseQueueOptions {
  /** A line of JSON for each call: what was done, and when by the wall clock. */
  readonly log: string;
  /** Receipts that begin with one of these are refused. */
  readonly refuse?: readonly string[];
  /** The queue can't be opened while this file doesn't exist, as one whose service is away. */
  readonly awayUntil?: string;
  /** Extensions fail while this file doesn't exist. */
  readonly failUntil?: string;
  /** How long an extension takes. */
  readonly takesMs?: number;
}

export function fakeLeaseQueue(options: FakeLeaseQueueOptions) {
  const write = (entry: object) => appendFileSync(options.log, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
  if (options.awayUntil !== undefined && !existsSync(options.awayUntil)) {
    write({ call: 'away' });
    // By name, as adapters' errors are known; their class would make this thread start later.
    throw Object.assign(new Error('the service is away'), { name: 'BatchctlError', kind: 'unavailable' });
  }
  return {
    async extend(receipts: readonly Receipt[]) {
      write({ call: 'extend', receipts });
      if (options.takesMs !== undefined) await delay(options.takesMs);
      if (options.failUntil !== undefined && !existsSync(options.failUntil)) throw new Error('the queue is away');
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
