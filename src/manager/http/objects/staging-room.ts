import { BOUNDS } from '../limits.ts';
import { Refusal } from '../refusal.ts';

/** The manager's disk as bytes that pass through it may take it up: of all callers, and of one token. */
export class StagingRoom {
  readonly #of = new Map<string, number>();
  #all = 0;

  /** Takes room for so many bytes, until the returned function is called. Throws a `Refusal`: 503 where all is taken, 429 where one token has its share. */
  take(token: string, bytes: number): () => void {
    const own = this.#of.get(token) ?? 0;
    if (own + bytes > BOUNDS.stagedOfOne.value) throw noRoom(429, `${mib(BOUNDS.stagedOfOne.value)} of a token`);
    if (this.#all + bytes > BOUNDS.staged.value) throw noRoom(503, mib(BOUNDS.staged.value));
    this.#add(token, bytes);
    let isTaken = true;
    return () => {
      if (isTaken) this.#add(token, -bytes);
      isTaken = false;
    };
  }

  #add(token: string, bytes: number): void {
    const own = (this.#of.get(token) ?? 0) + bytes;
    this.#all += bytes;
    if (own === 0) this.#of.delete(token);
    else this.#of.set(token, own);
  }
}

const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
/** Seconds: uploads of some size last. */
const AFTER = 10;

const noRoom = (status: 429 | 503, most: string): Refusal =>
  new Refusal(status, 'unavailable', `too many requests: at most ${most} may pass through the manager at a time`, {
    hint: `try again in ${AFTER} s`,
    headers: { 'retry-after': String(AFTER) },
  });
