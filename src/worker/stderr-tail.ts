import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Secrets } from './secrets.ts';
import { maskLog } from './stderr.ts';

export interface StderrTailOptions {
  readonly store: Pick<ObjectStore, 'put'>;
  /** The attempt's log, which its end writes again. */
  readonly key: string;
  readonly path: string;
  readonly secrets: Secrets;
  readonly everyMs: number;
}

const NOTHING = { size: 0, mtimeMs: 0 } as const;

/**
 * Uploads a running attempt's stderr from time to time if it has grown, for `logs --follow`, and to show what a killed
 * worker had been doing. Best effort: errors are ignored, and only `stop` waits for it, so that the attempt's own last
 * write comes last.
 */
export class StderrTail {
  readonly #options: StderrTailOptions;
  #timer: NodeJS.Timeout | undefined;
  #putting: Promise<void> | null = null;
  #stopped = false;
  /** The file as last uploaded; at first as the slot's last attempt left it, if the command has not started yet. */
  #known: { readonly size: number; readonly mtimeMs: number };

  constructor(options: StderrTailOptions) {
    this.#options = options;
    this.#known = statSync(options.path, { throwIfNoEntry: false }) ?? NOTHING;
    this.#arm();
  }

  /** Ends it; resolves when no upload is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#putting;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#putting = this.#put()
        .catch(() => undefined)
        .then(() => {
          this.#putting = null;
          this.#arm();
        });
    }, this.#options.everyMs).unref();
  }

  async #put(): Promise<void> {
    const { store, key, path, secrets } = this.#options;
    const now = await stat(path);
    if (now.size === 0 || (now.size === this.#known.size && now.mtimeMs === this.#known.mtimeMs)) return;
    const written = await readFile(path);
    const log = Object.keys(secrets).length === 0 ? written : maskLog(wholeLines(written), secrets);
    if (this.#stopped || log.length === 0) return;
    await store.put(key, log);
    this.#known = now;
  }
}

/** Up to the last line end: half a secret could not be recognised. */
function wholeLines(log: Buffer): Buffer {
  return log.subarray(0, log.lastIndexOf(10) + 1);
}
