import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { wait } from '../../lib/wait.ts';

/** The SDK's own interface, whose package isn't a dependency of ours. */
type Strategy = Extract<NonNullable<S3ClientConfig['retryStrategy']>, { recordSuccess: unknown }>;
type Token = Awaited<ReturnType<Strategy['acquireInitialRetryToken']>>;
type ErrorInfo = Parameters<Strategy['refreshRetryTokenForRetry']>[1];

/** Milliseconds: the range of the first wait, and the longest wait unless the service asks for more. */
const FIRST_RETRY_MS = { TRANSIENT: 100, THROTTLING: 500 } as const;
const LONGEST_RETRY_MS = 5_000;
const LONGEST_ASKED_MS = 20_000;

/**
 * Retries errors that may pass, with full jitter, up to `attempts` attempts in all. Unlike the SDK's strategy it has no
 * quota shared by all requests of a client: that quota runs dry in an outage, and then every tenth lost request fails
 * for minutes (35 retries; sdkref/feature-retry-behavior).
 */
export class QuotaFreeRetries implements Strategy {
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
    // This error is only a signal: the client throws the request's own error.
    if (!mayPass || count + 1 >= this.#attempts) throw new Error('no more attempts');
    const first = errorType === 'THROTTLING' ? FIRST_RETRY_MS.THROTTLING : FIRST_RETRY_MS.TRANSIENT;
    const own = this.#random() * Math.min(first * 2 ** count, LONGEST_RETRY_MS);
    const asked = retryAfterHint === undefined ? 0 : retryAfterHint.getTime() - Date.now();
    return tokenOf(count + 1, Math.max(own, Math.min(asked, LONGEST_ASKED_MS)));
  }

  recordSuccess(): void {}
}

const tokenOf = (count: number, delay: number): Token => ({ getRetryCount: () => count, getRetryDelay: () => delay });

/** hpagent reports a proxy's refusal by its message alone. A proxy's 5xx may pass, a 407 won't. */
function isProxyTrouble(error: unknown): boolean {
  return error instanceof Error && /^(Bad response: 5\d\d|Proxy timeout)$/.test(error.message);
}

/** Milliseconds: the range of the first wait, and the longest wait. */
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 5_000;

/** Waits before try `count` + 1, doubling, with full jitter. Throws the signal's reason when it aborts. */
export async function backOff(count: number, signal?: AbortSignal): Promise<void> {
  await wait(Math.random() * Math.min(FIRST_BACKOFF_MS * 2 ** count, LONGEST_BACKOFF_MS), signal);
  signal?.throwIfAborted();
}
