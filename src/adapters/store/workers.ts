import { parseStored } from '../../lib/json.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { LEDGER_WORKERS, ledgerWorkerKey } from '../../model/keys.ts';
import type { LedgerWorker } from '../../model/ledger/records.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { LedgerObjects } from './attempt-objects.ts';

/** Workers read at once. */
const READS = 16;
const HEARTBEAT_KEY = /^ledger\/workers\/(.+)\/(\d{13})\.(.+)$/;

export type WorkerFilter = Omit<Parameters<Ledger['workers']>[0], 'shared'>;

/**
 * Workers' heartbeats. Each is an object whose key contains worker, time and group, so that one listing finds the
 * latest of each live worker, and only these are read. A newer one deletes the older one.
 */
export class WorkerHeartbeats {
  readonly #store: LedgerObjects;
  readonly #last = new Map<string, string>();

  constructor(store: LedgerObjects) {
    this.#store = store;
  }

  async write(worker: LedgerWorker): Promise<void> {
    const key = ledgerWorkerKey(worker.worker, worker.group, worker.seenAt);
    await this.#store.put(key, JSON.stringify({ format: 1, ...worker }));
    const last = this.#last.get(worker.worker);
    if (last !== undefined && last > key) return;
    this.#last.set(worker.worker, key);
    if (last !== undefined && last !== key) await this.#store.delete([last]);
  }

  async read(filter: WorkerFilter): Promise<readonly LedgerWorker[]> {
    return (await this.readFew(filter, Number.POSITIVE_INFINITY)) ?? [];
  }

  /** Null if more than `most` heartbeats would have to be read. */
  async readFew(filter: WorkerFilter, most: number): Promise<readonly LedgerWorker[] | null> {
    const latest = new Map<string, string>();
    // Keys are in time order, so a worker's last key is its latest.
    for await (const key of this.#store.keys(LEDGER_WORKERS)) {
      const [, worker, seenAt, group] = HEARTBEAT_KEY.exec(key) ?? [];
      if (worker === undefined || seenAt === undefined) continue;
      latest.delete(worker);
      if (filter.group !== undefined && group !== filter.group) continue;
      if (filter.since !== undefined && Number(seenAt) < filter.since) continue;
      latest.set(worker, key);
    }
    if (latest.size > most) return null;
    const found: LedgerWorker[] = [];
    await eachParallel(latest.entries(), READS, async ([worker, key]) => {
      const sign = (await this.#readHeartbeat(key)) ?? (await this.#newest(worker));
      if (sign !== null) found.push(sign);
    });
    return found.sort((a, b) => b.seenAt - a.seenAt || (a.worker < b.worker ? -1 : 1));
  }

  /** For a worker that sent a newer heartbeat since it was listed. */
  async #newest(worker: string): Promise<LedgerWorker | null> {
    let last: string | null = null;
    for await (const key of this.#store.keys(`${LEDGER_WORKERS}${worker}/`)) last = key;
    return last === null ? null : await this.#readHeartbeat(last);
  }

  async #readHeartbeat(key: string): Promise<LedgerWorker | null> {
    const bytes = await this.#store.read(key);
    if (bytes === null) return null;
    const { format, ...worker } = parseStored<LedgerWorker & { format: number }>(key, bytes);
    return worker;
  }
}
