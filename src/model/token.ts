import { SCOPES, type Scope } from './api.ts';

/**
 * The stored form of a token for calls to the manager. Only the key has the SHA-256 of its text, whose 256 random bits
 * can't be guessed from the hash, however fast.
 */
export interface StoredToken {
  readonly format: 1;
  readonly name: string;
  readonly scope: Scope;
  readonly who: string;
  /** When it was created, ISO-8601 UTC. */
  readonly at: string;
  /** When it expires, ISO-8601 UTC; null: never. */
  readonly expires: string | null;
}

export interface Token extends Omit<StoredToken, 'format'> {
  /** The first 12 digits of its hash: identifies it in logs, and is of no use to a caller. */
  readonly id: string;
}

/** The form of every token's text: 32 random bytes in base64url. */
export const TOKEN_TEXT = /^bct_[A-Za-z0-9_-]{43}$/;

export const tokenId = (sha256: string): string => sha256.slice(0, 12);

/** Whether it has expired at `now`, milliseconds since the epoch on the manager's clock. */
export const isExpired = ({ expires }: Pick<StoredToken, 'expires'>, now: number): boolean =>
  expires !== null && !(now < Date.parse(expires));

/** Whether a value read from the store is a complete token; any other gives no access. */
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
