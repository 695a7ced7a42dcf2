import { SCOPES, type Scope } from './api.ts';

/**
 * A token that lets its holder call the manager, as the store keeps it: by the SHA-256 of its text, which stands in the
 * key alone. The text has 256 random bits, so that no guess finds it from the hash, however fast that is.
 */
export interface StoredToken {
  readonly format: 1;
  readonly name: string;
  readonly scope: Scope;
  /** Who made it. */
  readonly who: string;
  /** When it was made, ISO-8601 UTC. */
  readonly at: string;
  /** From when on it is refused, ISO-8601 UTC; null: never. */
  readonly expires: string | null;
}

/** A token by what may be told of it. */
export interface Token extends Omit<StoredToken, 'format'> {
  /** The first 12 digits of its hash: names it in logs, and is of no use to a caller. */
  readonly id: string;
}

/** What every token's text looks like: 32 random bytes in base64url. */
export const TOKEN_TEXT = /^bct_[A-Za-z0-9_-]{43}$/;

export const tokenId = (sha256: string): string => sha256.slice(0, 12);

/** Whether it is refused for its age at `now`, milliseconds since the epoch by the clock of whoever is called. */
export const isExpired = ({ expires }: Pick<StoredToken, 'expires'>, now: number): boolean =>
  expires !== null && !(now < Date.parse(expires));

/** Whether what was read from the store is a token in full: one that isn't lets nobody in. */
export function isToken(value: Readonly<Record<string, unknown>>): boolean {
  const { name, scope, who, at, expires } = value;
  const isTime = (text: unknown): boolean => typeof text === 'string' && !Number.isNaN(Date.parse(text));
  return (
    typeof name === 'string' &&
    typeof who === 'string' &&
    SCOPES.some((each) => each === scope) &&
    isTime(at) &&
    (expires === null || isTime(expires))
  );
}
