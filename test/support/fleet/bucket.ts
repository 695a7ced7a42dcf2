import { QuotaFreeRetries } from '../../../src/adapters/aws/retries.ts';
import { BatchctlError } from '../../../src/errors.ts';
import { wait } from '../../../src/lib/wait.ts';
import type { ListOptions, ObjectStore } from '../../../src/ports/object-store.ts';
import { MemoryStore } from '../memory-store.ts';
import { wrapStore } from '../wrap-store.ts';
import type { Requests } from './requests.ts';

/** Keys per answer of S3 (ListObjectsV2). */
const PAGE = 1_000;
/** Milliseconds that S3 takes to answer, approximately. */
const TAKES = { GetObject: 20, HeadObject: 20, PutObject: 40, ListObjectsV2: 60, DeleteObjects: 40 } as const;
/** Attempts of a client (src/adapters/aws/clients.ts). */
const ATTEMPTS = 8;

/** The bucket of a simulation. */
export class FleetBucket {
  readonly objects: MemoryStore;
  /** The current share of requests that are answered `503 SlowDown`. */
  slowDown: () => number = () => 0;
  readonly #requests: Requests;

  constructor(requests: Requests, now: () => number) {
    this.objects = new MemoryStore(now);
    this.#requests = requests;
  }

  /**
   * The bucket for one process. Requests are counted, take time, and are retried as batchctl's clients do. `alive` never
   * resolves if the process is dead.
   */
  storeFor(alive: () => Promise<void>): ObjectStore {
    const { objects } = this;
    const request = (action: keyof typeof TAKES, key: string): Promise<void> => this.#request(action, key, alive);
    async function* list(prefix: string, options: ListOptions = {}) {
      await request('ListObjectsV2', prefix);
      let listed = 0;
      for await (const entry of objects.list(prefix, options)) {
        if (listed > 0 && listed % PAGE === 0) await request('ListObjectsV2', prefix);
        listed += 1;
        yield entry;
      }
    }
    return wrapStore(objects, {
      put: (key, body, options) => request('PutObject', key).then(() => objects.put(key, body, options)),
      read: (key, options) => request('GetObject', key).then(() => objects.read(key, options)),
      get: (key, options) => request('GetObject', key).then(() => objects.get(key, options)),
      head: (key) => request('HeadObject', key).then(() => objects.head(key)),
      copy: (from, to, options) => request('PutObject', to).then(() => objects.copy(from, to, options)),
      delete: async (keys) => {
        if (keys.length === 0) return;
        await request('DeleteObjects', keys[0] ?? '');
        await objects.delete(keys);
      },
      list,
      keys: async function* (prefix, options) {
        for await (const { key } of list(prefix, options)) yield key;
      },
    });
  }

  async #request(action: keyof typeof TAKES, key: string, alive: () => Promise<void>): Promise<void> {
    await alive();
    const retries = new QuotaFreeRetries(ATTEMPTS);
    for (let token = await retries.acquireInitialRetryToken(); ; ) {
      this.#requests.count(`s3:${action} ${placeOf(key)}`);
      await wait(TAKES[action]);
      await alive();
      if (Math.random() >= this.slowDown()) return;
      try {
        token = await retries.refreshRetryTokenForRetry(token, { errorType: 'THROTTLING' });
      } catch {
        throw new BatchctlError('unavailable', `could not ${action} ${key}: SlowDown`);
      }
      await wait(token.getRetryDelay());
    }
  }
}

/** The kind of data under a key: the ledger's, a job's outputs ... */
function placeOf(key: string): string {
  const [first = '', second = '', ...rest] = key.split('/');
  if (first === 'ledger')
    return second === 'tasks' ? 'ledger of tasks' : second === 'workers' ? 'signs of life' : 'ledger of jobs';
  if (first !== 'jobs') return first;
  return rest[0] === 'steps' ? `${rest[2]} of tasks` : 'journal and parts';
}
