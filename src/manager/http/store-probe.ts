import { isOurs } from '../../errors.ts';
import { wait } from '../../lib/wait.ts';
import { CERTIFICATE } from '../../model/keys.ts';
import type { Platform } from '../../ports/platform.ts';

/** Milliseconds for which an answer is told again, however often it is asked for; and in which the store is to answer. */
const [FRESH, IN_TIME] = [5_000, 5_000];

/** Asks the store whether it is there, for whoever asks for nothing else: one small request in five seconds at most. */
export class StoreProbe {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  #asked = Number.NEGATIVE_INFINITY;
  #answer: Promise<string | null> = Promise.resolve(null);
  /** A request that did not come back in time may still be under way: no other joins it. */
  #underWay: Promise<string | null> | null = null;

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** What is wrong with the store; null: it answers. Never rejects. */
  ask(): Promise<string | null> {
    const now = this.#platform.clock.monotonic();
    if (now - this.#asked < FRESH) return this.#answer;
    this.#asked = now;
    this.#answer = this.#inTime();
    return this.#answer;
  }

  async #inTime(): Promise<string | null> {
    const answered = new AbortController();
    this.#underWay ??= this.#request().finally(() => {
      this.#underWay = null;
    });
    const late = wait(IN_TIME, answered.signal).then(() => `it did not answer within ${IN_TIME / 1_000} s`);
    try {
      return await Promise.race([this.#underWay, late]);
    } finally {
      answered.abort();
    }
  }

  async #request(): Promise<string | null> {
    try {
      // Whether it is there is no matter.
      await this.#platform.store.head(CERTIFICATE);
      return null;
    } catch (error) {
      return isOurs(error) ? error.message : 'it could not be asked';
    }
  }
}
