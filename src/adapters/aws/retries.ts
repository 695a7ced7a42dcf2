import type { S3ClientConfig } from '@aws-sdk/client-s3';

/** The SDK's own interface, whose package isn't a dependency of ours. */
type Strategy = Extract<NonNullable<S3ClientConfig['retryStrategy']>, { recordSuccess: unknown }>;
type Token = Awaited<ReturnType<Strategy['acquireInitialRetryToken']>>;
type ErrorInfo = Parameters<Strategy['refreshRetryTokenForRetry']>[1];

/** Milliseconds: what the first wait is drawn from, and what no wait exceeds unless the service asks for more. */
const FIRST = { TRANSIENT: 100, THROTTLING: 500 } as const;
const LONGEST = 5_000;
const LONGEST_ASKED = 20_000;

/**
 * Tries again what may pass, with full jitter, `attempts` times in all. Unlike the SDK's own strategy it has no quota
 * that all requests of a client share: that one runs dry in an outage, and then every tenth lost request is an error
 * for minutes (35 retries; sdkref/feature-retry-behavior).
 */
export class PatientRetries implements Strategy {
  readonly #attempts: number;
  readonly #random: () => number;

  constructor(attempts: number, random: () => number = Math.random) {
    this.#attempts = attempts;
    this.#random = random;
  }

  async acquireInitialRetryToken(): Promise<Token> {
    return tokenOf(0, 0);
  }

  async refreshRetryTokenForRetry(token: Token, { error, errorType, retryAfterHint }: ErrorInfo): Promise<Token> {
    const count = token.getRetryCount();
    const mayPass = errorType === 'THROTTLING' || errorType === 'TRANSIENT' || isProxyTrouble(error);
    // What is thrown here only says no: the client throws the request's own error.
    if (!mayPass || count + 1 >= this.#attempts) throw new Error('no more attempts');
    const first = errorType === 'THROTTLING' ? FIRST.THROTTLING : FIRST.TRANSIENT;
    const own = this.#random() * Math.min(first * 2 ** count, LONGEST);
    const asked = retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - Date.now();
    return tokenOf(count + 1, Math.max(own, Math.min(asked, LONGEST_ASKED)));
  }

  recordSuccess(): void {}
}

const tokenOf = (count: number, delay: number): Token => ({
  getRetryCount: () => count,
  getRetryDelay: () => delay,
});

/** hpagent tells a proxy's refusal by its message alone; a 5xx of a proxy may pass, a 407 won't. */
function isProxyTrouble(error: unknown): boolean {
  return error instanceof Error && /^(Bad response: 5\d\d|Proxy timeout)$/.test(error.message);
}
