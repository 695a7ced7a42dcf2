import { createHash, randomBytes } from 'node:crypto';
import { BatchctlError, isKind } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import type { Scope } from '../../model/api.ts';
import { NAME, TOKENS, tokenKey, tokenOf, tokenUseKey } from '../../model/keys.ts';
import { isExpired, isToken, type StoredToken, type Token, tokenId } from '../../model/token.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';

/**
 * A token's hash. Plain SHA-256 is enough: slow hashes protect texts that people choose, but this one has 256 random
 * bits. Looking up the hash takes the same time for any wrong text.
 */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The token with a hash; null if there is none. Throws `newer`, `corrupt` for one that this version can't read. */
export async function readToken(store: Pick<ObjectStore, 'read'>, sha256: string): Promise<Token | null> {
  const key = tokenKey(sha256);
  const bytes = await store.read(key);
  if (bytes === null) return null;
  const stored = parseStored<StoredToken>(key, bytes);
  if (!isToken({ ...stored })) {
    throw new BatchctlError('corrupt', `${key} is not a token`, {
      hint: `batchctl manager token revoke ${tokenId(sha256)}`,
    });
  }
  const { name, scope, who, at, expires } = stored;
  return { id: tokenId(sha256), name, scope, who, at, expires };
}

/** A token in a listing, with its key; null if it can't be read. */
export interface ListedToken {
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
  for await (const key of store.keys(TOKENS)) {
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
    ...{ name, scope, who: platform.who, at: new Date(now).toISOString() },
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
  if (NAME.test(name)) return;
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
