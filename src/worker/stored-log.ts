import { workerLogKey } from '../model/keys.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { WorkerLog } from './context.ts';
import { shortMessageOf } from './outcome.ts';

const LINES_KEPT = 2_000;

/** A worker's own log: its last lines, printed to the caller and written to the store for `workers logs`. */
export class StoredLog implements WorkerLog {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #say: (line: string) => void;
  readonly #now: () => number;
  #lines: string[] = [];
  #storedCount = 0;
  #lineCount = 0;

  constructor(store: ObjectStore, worker: string, now: () => number, say: (line: string) => void) {
    this.#store = store;
    this.#key = workerLogKey(worker);
    this.#now = now;
    this.#say = say;
  }

  info(message: string): void {
    this.#add(message);
  }

  warn(message: string): void {
    this.#add(`warning: ${message}`);
  }

  /** Puts the log into the store if it grew. */
  async flush(): Promise<void> {
    if (this.#storedCount === this.#lineCount) return;
    this.#storedCount = this.#lineCount;
    await this.#store.put(this.#key, `${this.#lines.join('\n')}\n`);
  }

  #add(message: string): void {
    const line = `${new Date(this.#now()).toISOString()} ${message}`;
    this.#lineCount += 1;
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT / 2);
    this.#say(line);
  }
}

/**
 * Warns of a job's trouble once, and again only if it is another: an idle worker looks every second. `prefix` says where it
 * was seen.
 */
export function warnOncePerJob(
  log: { warn(message: string): void },
  prefix = '',
): (job: string, error: unknown) => void {
  const warned = new Map<string, string>();
  return (job, error) => {
    const message = shortMessageOf(error);
    if (warned.get(job) === message) return;
    warned.set(job, message);
    log.warn(`${prefix}job ${job}: ${message}`);
  };
}
