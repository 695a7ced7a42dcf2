import { createHash } from 'node:crypto';
import { BatchctlError } from '../../errors.ts';
import { parseStored } from '../../lib/json.ts';
import { TOKENS, tokenKey, tokenOf } from '../../model/keys.ts';
import { isToken, type StoredToken, type Token, tokenId } from '../../model/token.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

/**
 * A token's hash. Plain SHA-256: slow hashes are for what people think of, and this has 256 random bits. A look-up by the
 * hash takes no longer for a text that is nearly right.
 */
export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The token of a hash; null if there is none. Throws `newer`, `corrupt` for one that this version can't read. */
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

/** A token as a listing finds it: with its key, and null where it can't be read. */
export interface ListedToken {
  readonly key: string;
  readonly id: string;
  readonly token: Token | null;
}

/** Every token, by name, the oldest first of those that share one. `onTrouble` is told of each that can't be read. */
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
      // Revoked since it was listed.
      if (token !== null) found.push({ key, id, token });
    } catch (error) {
      onTrouble(id, error);
      found.push({ key, id, token: null });
    }
  }
  const order = ({ token }: ListedToken): string => (token === null ? '' : `${token.name} ${token.at}`);
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}
