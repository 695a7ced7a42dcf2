import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { createToken, listTokens, revokeTokens } from '../../jobs/tokens.ts';
import { randomId } from '../../lib/id.ts';
import { isExpired } from '../../model/token.ts';
import type { Platform } from '../../ports/platform.ts';
import { isLoopback } from '../tls/open-tls.ts';
import { Refusal } from './error-answers.ts';

/** How long a code can be used, and how long the token lasts that it is exchanged for, seconds. */
export const [CODE_SECONDS, SESSION_SECONDS] = [300, 12 * 3_600];

/** Tokens that were created for a code. */
const SIGN_IN_NAME = /^sign-in-[a-z2-7]{10}$/;

/**
 * The code of a sign-in link. It works once, within five minutes, for a caller on this machine. It exists in this
 * process's memory and in the link only: logs must contain neither.
 */
export class SignInCode {
  readonly #platform: Pick<Platform, 'store' | 'clock' | 'who'>;
  /** The hash, so that all guesses are compared in the same time, whatever their length; null: none, or it was used. */
  #hash: Buffer | null = null;
  /** Monotonic milliseconds. */
  #expiresAt = 0;

  constructor(platform: Pick<Platform, 'store' | 'clock' | 'who'>) {
    this.#platform = platform;
  }

  /** A new code of 256 random bits. The one before no longer works. */
  createCode(): string {
    const code = randomBytes(32).toString('base64url');
    this.#hash = sha256(code);
    this.#expiresAt = this.#platform.clock.monotonic() + CODE_SECONDS * 1_000;
    return code;
  }

  /** The text of a new token with the scope `operate`, once; null for a wrong, used or late code. */
  async exchange(code: string): Promise<string | null> {
    const hash = this.#hash;
    if (hash === null || !timingSafeEqual(hash, sha256(code))) return null;
    // Used before anything else happens, so that two callers at once don't both get a token.
    this.#hash = null;
    if (this.#platform.clock.monotonic() > this.#expiresAt) return null;
    try {
      await this.#revokeExpired();
      const made = { name: `sign-in-${randomId(10)}`, scope: 'operate', expiresIn: SESSION_SECONDS } as const;
      return (await createToken(this.#platform, made)).text;
    } catch (error) {
      // Without a token the code was not used.
      this.#hash = hash;
      throw error;
    }
  }

  /** Revokes expired tokens of earlier codes, which nothing else removes. */
  async #revokeExpired(): Promise<void> {
    const { store, clock } = this.#platform;
    const tokens = await listTokens(store, () => {});
    const ended = tokens.filter(
      ({ token }) => token !== null && SIGN_IN_NAME.test(token.name) && isExpired(token, clock.now()),
    );
    if (ended.length > 0) await revokeTokens({ store }, ended);
  }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * `POST /sign-in` with `Authorization: Code ...` answers `{"token": "bct_..."}`. The code is in a header, because the
 * audit names URLs and bodies. A reverse proxy's calls are not from this machine, although its connections are.
 */
export function addSignIn(app: FastifyInstance, code: SignInCode): void {
  app.post('/sign-in', { config: { scope: 'anyone' } }, async ({ ip, headers }) => {
    const isForwarded = headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined;
    const given = /^Code +([A-Za-z0-9_-]{1,100})$/.exec(headers.authorization ?? '')?.[1];
    const isHere = isLoopback(ip) && !isForwarded;
    const token = isHere && given !== undefined ? await code.exchange(given) : null;
    if (token !== null) return { token };
    const why = isHere ? 'the link was used already, or has expired' : "the link works on the manager's machine only";
    throw new Refusal(401, 'credentials', why, {
      hint: 'enter a token (batchctl manager token create NAME --scope operate), or start the manager again for a new link',
      headers: { 'www-authenticate': 'Code realm="batchctl"' },
    });
  });
}
