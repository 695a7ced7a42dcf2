import { isKind, isOurs } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { wait } from '../../lib/wait.ts';
import { TOKENS, tokenKey, tokenUseKey } from '../../model/keys.ts';
import { isExpired, TOKEN_TEXT, type Token } from '../../model/token.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { hashOf, readToken } from './tokens.ts';

/**
 * A revoked token is refused after this time at the latest, milliseconds, because the store's answer is reused for so
 * long.
 */
export const FRESH_MS = 5_000;
/** Number of remembered tokens. Beyond it the least recently used one is forgotten, which costs a read. */
const REMEMBERED = 1_000;

/** Tokens are listed at most once in this time, milliseconds, however many callers ask. */
const LIST_MS = 1_000;

interface Listing {
  /** Monotonic milliseconds. */
  readonly began: number;
  readonly keys: ReadonlySet<string>;
}

interface Known {
  readonly token: Token | null;
  /** When the store was asked, monotonic milliseconds. */
  readonly asked: number;
}

/** Looks up tokens; asks the store at most once in five seconds for each token. */
export class TokenReader {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Token | null>>();
  #listed: Listing = { began: Number.NEGATIVE_INFINITY, keys: new Set() };
  #listing: Promise<Listing> | null = null;

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /**
   * The token for a text; null for one that is unknown, revoked or expired by this machine's clock. Throws the store's
   * errors, because an unreachable store proves nothing. Throws `newer`, `corrupt` for a token that can't be read.
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

  /** True if the text was valid when the store was last asked. */
  wasGood(text: string): boolean {
    return TOKEN_TEXT.test(text) && this.#known.get(hashOf(text))?.token != null;
  }

  /**
   * True if the store has a token with this text, even a new one. For texts that are mostly guesses: all callers share
   * one listing per second, while each look-up would cost a read. Throws the store's errors.
   */
  async isListed(text: string): Promise<boolean> {
    if (!TOKEN_TEXT.test(text)) return false;
    const key = tokenKey(hashOf(text));
    if (this.#listed.keys.has(key)) return true;
    const came = this.#platform.clock.monotonic();
    const { began, keys } = await this.#list();
    // A listing that had already begun may have missed it.
    return keys.has(key) || (began < came && (await this.#list()).keys.has(key));
  }

  #list(): Promise<Listing> {
    this.#listing ??= this.#readKeys().finally(() => {
      this.#listing = null;
    });
    return this.#listing;
  }

  async #readKeys(): Promise<Listing> {
    const { store, clock } = this.#platform;
    await wait(Math.max(0, this.#listed.began + LIST_MS - clock.monotonic()));
    const began = clock.monotonic();
    const keys = new Set<string>();
    for await (const key of store.keys(TOKENS)) keys.add(key);
    this.#listed = { began, keys };
    return this.#listed;
  }

  /** Concurrent calls share one request. */
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
    // Unknown texts are not remembered: a caller who tries many would displace the others.
    if (token !== null) this.#known.set(sha256, { token, asked });
    const [oldest] = this.#known.keys();
    if (this.#known.size > REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    return token;
  }
}

/** Interval between writes of a token's mark, milliseconds: the recorded time of use may be that old. */
export const USE_MS = 3_600_000;

/** The stored time when a token was used; any manager overwrites it. */
interface StoredUse {
  readonly format: 1;
  /** ISO-8601 UTC, by the manager's clock. */
  readonly at: string;
}

interface Use {
  /** Milliseconds since the epoch; null: nothing is left to write. */
  readonly at: number | null;
  /** The last value that this process wrote; null: none. */
  readonly written: number | null;
}

/**
 * Remembers when tokens were used, so that a person who revokes one knows whether it is in use. Writes one small object
 * per token and hour.
 */
export class TokenUses {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #uses = new Map<string, Use>();

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** Writes nothing; `write` does. */
  used(id: string): void {
    const written = this.#uses.get(id)?.written ?? null;
    const now = this.#platform.clock.now();
    // A clock that was set back counts as a new use.
    if (written === null || Math.abs(now - written) >= USE_MS) this.#uses.set(id, { at: now, written });
  }

  /** Writes the due marks. One that can't be written stays due. Never rejects. */
  async write(): Promise<void> {
    for (const [id, { at }] of this.#uses) {
      if (at === null) continue;
      try {
        const use: StoredUse = { format: 1, at: new Date(at).toISOString() };
        await this.#platform.store.put(tokenUseKey(id), JSON.stringify(use));
        this.#uses.set(id, { at: null, written: at });
      } catch (error) {
        if (!isOurs(error)) throw error;
        // The store is unreachable, which is reported where it matters.
        return;
      }
    }
  }
}

/** When a token was last used, to the hour, ISO-8601 UTC; null: never, or only before managers recorded it. */
export async function readTokenUse(store: Pick<ObjectStore, 'read'>, id: string): Promise<string | null> {
  const key = tokenUseKey(id);
  const bytes = await store.read(key);
  if (bytes === null) return null;
  try {
    const { at } = parseStored<StoredUse>(key, bytes);
    return typeof at === 'string' && !Number.isNaN(Date.parse(at)) ? at : null;
  } catch (error) {
    if (isKind(error, 'newer', 'corrupt')) return null;
    throw error;
  }
}
