import { createHash, randomBytes } from 'node:crypto';
import { BatchctlError, isBatchctlError, isKind, nullIfUnreadable } from '../errors.ts';
import { readStored } from '../lib/json.ts';
import { wait } from '../lib/wait.ts';
import type { Scope } from '../model/api.ts';
import { NAME_PATTERN, TOKENS_PREFIX, tokenKey, tokenOf, tokenUseKey } from '../model/keys.ts';
import { isExpired, isToken, type StoredToken, TOKEN_TEXT, type Token, tokenId } from '../model/token.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';

/**
 * A token's hash. Plain SHA-256 is enough: slow hashes protect texts that people choose, but this one has 256 random
 * bits. Looking up the hash takes the same time for any wrong text.
 */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The token with a hash; null if there is none. Throws `newer`, `corrupt` for one that this version can't read. */
export async function readToken(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<Token | null> {
  const key = tokenKey(sha256);
  const stored = await readStored<StoredToken>(store, key);
  if (stored === null) return null;
  if (!isToken({ ...stored })) {
    throw new BatchctlError('corrupt', `${key} is not a token`, {
      hint: `batchctl manager token revoke ${tokenId(sha256)}`,
    });
  }
  const { name, scope, who, at, expires } = stored;
  return { id: tokenId(sha256), name, scope, who, at, expires };
}

/** A token in a listing, with its key; null if it can't be read. */
interface ListedToken {
  readonly key: string;
  readonly id: string;
  readonly token: Token | null;
}

/** All tokens by name, oldest first for the same name. Calls `onTrouble` for each one that can't be read. */
export async function listTokens(
  store: Pick<ObjectStore, 'read' | 'keys'>,
  onTrouble: (id: string, error: unknown) => void,
): Promise<readonly ListedToken[]> {
  const found: ListedToken[] = [];
  for await (const key of store.keys(TOKENS_PREFIX)) {
    const sha256 = tokenOf(key);
    if (sha256 === null) continue;
    const id = tokenId(sha256);
    try {
      const token = await readToken(store, sha256);
      // Null: it was revoked since it was listed.
      if (token !== null) found.push({ key, id, token });
    } catch (error) {
      onTrouble(id, error);
      found.push({ key, id, token: null });
    }
  }
  const order = ({ token }: ListedToken): string => (token === null ? '' : `${token.name} ${token.at}`);
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

export interface NewToken {
  readonly name: string;
  readonly scope: Scope;
  /** Seconds from now; null: it never expires. */
  readonly expiresIn: number | null;
}

type Place = Pick<Platform, 'store' | 'clock' | 'who'>;

/**
 * Creates a token. Its text is returned here and stored nowhere. Throws `usage` for an invalid name, `refused` if a
 * valid token has the name.
 *
 * If two tokens with the same name are created at once, each sees the other and removes its own: both are refused, so a
 * name never belongs to two. After a kill in between, the token stays although its text is lost: `revoke` frees the
 * name.
 */
export async function createToken(
  platform: Place,
  { name, scope, expiresIn }: NewToken,
): Promise<{ readonly text: string; readonly token: Token }> {
  checkTokenName(name);
  await requireFree(platform, name, null);
  const text = `bct_${randomBytes(32).toString('base64url')}`;
  const sha256 = hashOf(text);
  const now = platform.clock.now();
  const stored: StoredToken = {
    format: 1,
    name,
    scope,
    who: platform.who,
    at: new Date(now).toISOString(),
    expires: expiresIn === null ? null : new Date(now + expiresIn * 1_000).toISOString(),
  };
  const key = tokenKey(sha256);
  await platform.store.put(key, JSON.stringify(stored), { ifAbsent: true });
  try {
    await requireFree(platform, name, key);
  } catch (error) {
    if (isKind(error, 'refused')) await platform.store.delete([key]);
    throw error;
  }
  const { format: _, ...told } = stored;
  return { text, token: { id: tokenId(sha256), ...told } };
}

/** Throws `usage` for a name that a token can't have. */
export function checkTokenName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new BatchctlError('usage', `expected the name of a token, found "${name.slice(0, 60)}"`, {
    hint: 'use up to 40 of a-z, 0-9 and -, beginning with a letter; jobs record it as their caller',
  });
}

/** Throws `refused` if a valid token has the name; `own` doesn't count. */
export async function requireFree(
  { store, clock }: Pick<Platform, 'store' | 'clock'>,
  name: string,
  own: string | null,
): Promise<void> {
  const tokens = await listTokens(store, () => {});
  const other = tokens.find(
    ({ key, token }) => key !== own && token !== null && token.name === name && !isExpired(token, clock.now()),
  );
  if (other?.token == null) return;
  const { who, at } = other.token;
  throw new BatchctlError('refused', `a token ${name} exists already, created by ${who} at ${at}`, {
    hint: `choose another name, or run batchctl manager token revoke ${name}`,
  });
}

/** The tokens with a name, or the one with an id, readable or not. Throws `notFound` for none. */
export async function findTokens({ store }: Pick<Platform, 'store'>, which: string): Promise<readonly ListedToken[]> {
  const tokens = await listTokens(store, () => {});
  const named = tokens.filter(({ token }) => token?.name === which);
  const found = named.length > 0 ? named : tokens.filter(({ id }) => id === which);
  if (found.length > 0) return found;
  throw new BatchctlError('notFound', `there is no token ${which.slice(0, 60)}`, {
    hint: 'batchctl manager token list',
  });
}

/** Removes tokens: every manager refuses them within seconds (`token-reader.ts`). */
export async function revokeTokens({ store }: Pick<Platform, 'store'>, tokens: readonly ListedToken[]): Promise<void> {
  await store.delete(tokens.flatMap(({ key, id }) => [key, tokenUseKey(id)]));
}

/** A revoked token is refused after at most this time, milliseconds: for that long the store's answer is reused. */
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
   * The token for a text; null for one that is unknown, revoked or expired by this machine's clock. An answer of the
   * store is used again for `freshMs`. Throws the store's errors, because an unreachable store proves nothing, and `newer`
   * or `corrupt` for a token that can't be read.
   */
  async find(text: string, freshMs = FRESH_MS): Promise<Token | null> {
    if (!TOKEN_TEXT.test(text)) return null;
    const sha256 = hashOf(text);
    const { clock } = this.#platform;
    const known = this.#known.get(sha256);
    // Whatever the store says now, or if it says nothing: a token never changes.
    if (known?.token != null && isExpired(known.token, clock.now())) return null;
    const isFresh = known !== undefined && clock.monotonic() - known.asked < freshMs;
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
    for await (const key of store.keys(TOKENS_PREFIX)) keys.add(key);
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

/** Remembers when tokens were used, to tell whether a revoked one is in use. One small object per token and hour. */
export class TokenUses {
  readonly #platform: Pick<Platform, 'store' | 'clock'>;
  readonly #uses = new Map<string, Use>();

  constructor(platform: Pick<Platform, 'store' | 'clock'>) {
    this.#platform = platform;
  }

  /** Writes nothing; `write` does. */
  recordUse(id: string): void {
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
        if (!isBatchctlError(error)) throw error;
        // The store is unreachable, which is reported where it matters.
        return;
      }
    }
  }
}

/** When a token was last used, to the hour, ISO-8601 UTC; null: never, or only before managers recorded it. */
export async function readTokenUse(store: Pick<ObjectStore, 'read'>, id: string): Promise<string | null> {
  const at = (await readStored<StoredUse>(store, tokenUseKey(id)).catch(nullIfUnreadable))?.at;
  return typeof at === 'string' && !Number.isNaN(Date.parse(at)) ? at : null;
}
