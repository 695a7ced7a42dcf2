import { isExpired, TOKEN_TEXT, type Token } from '../../model/token.ts';
import type { Platform } from '../../ports/platform.ts';
import { hashOf, readToken } from './read-token.ts';

/** A revoked token is refused after this at the latest, milliseconds: so long is an answer of the store believed. */
export const FRESH_MS = 5_000;
/** Tokens that are remembered; of more, the one asked for longest ago is forgotten, which costs a read. */
const REMEMBERED = 1_000;

interface Known {
  readonly token: Token | null;
  /** Monotonic milliseconds: when the store was asked. */
  readonly asked: number;
}

/** Who a token is of, asked of the store at most once in five seconds for each token. */
export class TokenReader {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Token | null>>();

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /**
   * The token of a text; null for one that is unknown, revoked or has expired by this machine's clock. Throws what the
   * store throws: that it can't be asked is no proof either way. Throws `newer`, `corrupt` for a token that can't be read.
   */
  async find(text: string): Promise<Token | null> {
    if (!TOKEN_TEXT.test(text)) return null;
    const sha256 = hashOf(text);
    const { clock } = this.#platform;
    const known = this.#known.get(sha256);
    const isFresh = known !== undefined && clock.monotonic() - known.asked < FRESH_MS;
    const token = isFresh ? known.token : await this.#ask(sha256);
    return token === null || isExpired(token, clock.now()) ? null : token;
  }

  /** True for a text that was a token's when the store was asked last. */
  wasGood(text: string): boolean {
    return TOKEN_TEXT.test(text) && this.#known.get(hashOf(text))?.token != null;
  }

  /** Many calls at once ask once. */
  #ask(sha256: string): Promise<Token | null> {
    const already = this.#asking.get(sha256);
    if (already !== undefined) return already;
    const asking = this.#read(sha256).finally(() => this.#asking.delete(sha256));
    this.#asking.set(sha256, asking);
    return asking;
  }

  async #read(sha256: string): Promise<Token | null> {
    const { store, clock } = this.#platform;
    const asked = clock.monotonic();
    const token = await readToken(store, sha256);
    this.#known.delete(sha256);
    // What is unknown is not remembered: whoever tries many texts would push the others out.
    if (token !== null) this.#known.set(sha256, { token, asked });
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return token;
  }
}
