import { isKind, isOurs } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { wait } from '../../lib/wait.ts';
import { TOKENS, tokenKey, tokenUseKey } from '../../model/keys.ts';
import { isExpired, TOKEN_TEXT, type Token } from '../../model/token.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { hashOf, readToken } from './tokens.ts';

/** A revoked token is refused after this at the latest, milliseconds: so long is an answer of the store believed. */
export const FRESH_MS = 5_000;
/** Tokens that are remembered; of more, the one asked for longest ago is forgotten, which costs a read. */
const REMEMBERED = 1_000;

/** Tokens are listed at most once in so long, milliseconds, however many ask. */
const LIST_MS = 1_000;

interface Listing {
  /** Monotonic milliseconds. */
  readonly began: number;
  readonly keys: ReadonlySet<string>;
}

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
  #listed: Listing = { began: Number.NEGATIVE_INFINITY, keys: new Set() };
  #listing: Promise<Listing> | null = null;

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

  /**
   * True where the store has a token of that text, also one that was made just now. For texts of which most are guesses: all
   * who ask share a listing a second, where each would else cost a read. Throws what the store throws.
   */
  async isListed(text: string): Promise<boolean> {
    if (!TOKEN_TEXT.test(text)) return false;
    const key = tokenKey(hashOf(text));
    if (this.#listed.keys.has(key)) return true;
    const came = this.#platform.clock.monotonic();
    const { began, keys } = await this.#list();
    // A listing that had begun already may have missed it.
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

/** A token's mark is written anew after so long, milliseconds: what it says may be older than the last use by that. */
export const USE_MS = 3_600_000;

/** When a token was used, as its mark tells it: overwritten by whichever manager it called. */
interface StoredUse {
  readonly format: 1;
  /** ISO-8601 UTC, by the manager's clock. */
  readonly at: string;
}

interface Use {
  /** Milliseconds since the epoch; null: all of it is written. */
  readonly at: number | null;
  /** What this process wrote last; null: nothing yet. */
  readonly written: number | null;
}

/** Remembers when tokens were used, so that who revokes one knows whether it is in use: a small object a token an hour. */
export class TokenUses {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #uses = new Map<string, Use>();

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** Costs nothing: `write` does. */
  used(id: string): void {
    const written = this.#uses.get(id)?.written ?? null;
    const now = this.#platform.clock.now();
    // A clock that was set back tells a use of its own.
    if (written === null || Math.abs(now - written) >= USE_MS) this.#uses.set(id, { at: now, written });
  }

  /** Writes the marks that are due. One that can't be written is due again. Never rejects. */
  async write(): Promise<void> {
    for (const [id, { at }] of this.#uses) {
      if (at === null) continue;
      try {
        const use: StoredUse = { format: 1, at: new Date(at).toISOString() };
        await this.#platform.store.put(tokenUseKey(id), JSON.stringify(use));
        this.#uses.set(id, { at: null, written: at });
      } catch (error) {
        if (!isOurs(error)) throw error;
        // The store is away: it is told of where that matters.
        return;
      }
    }
  }
}

/** When a token was used last, to the hour, ISO-8601 UTC; null: never, or not since managers keep it. */
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
