import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { isEc2 } from '../../lib/is-ec2.ts';
import { type RoutedHandler, SILENT } from './http-handler.ts';

/** The SDK's own interface: answers a key, its secret, and when they end. */
export type Credentials = Extract<NonNullable<S3ClientConfig['credentials']>, () => unknown>;
type Identity = Awaited<ReturnType<Credentials>>;

export interface CredentialsOptions {
  /** A profile of ~/.aws/config; null: the environment, the default profile, the container, the instance. */
  readonly profile: string | null;
  readonly region: string;
  /** For the requests of the chain itself: STS, SSO. Those to the metadata service go straight. */
  readonly handler: RoutedHandler;
}

/** Milliseconds and retries for the instance's metadata service: a loaded instance may take seconds to answer. */
const ON_EC2 = { timeout: 5_000, maxRetries: 3 };
/** Elsewhere nothing answers at that address, and a person waits for the error. */
const ELSEWHERE = { timeout: 1_000, maxRetries: 0 };
/** Milliseconds before their end from which the SDK asks for new ones. */
const EARLY = 300_000;
/** Milliseconds after which session credentials that don't tell their end are read again: someone may have renewed them. */
const READ_AGAIN = EARLY + 300_000;
/** Milliseconds between two looks for what comes after credentials that near their end: each may cost a request. */
const LOOK_AGAIN = 10_000;

/**
 * The SDK's own chain; looks for nothing before it is called. All clients share what it found. Credentials that near
 * their end are looked for from scratch, files included, so that a long run takes up a new sign-in within five minutes.
 */
export function credentialChain(options: CredentialsOptions): Credentials {
  let current: Identity | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<Identity> | null = null;

  const load = async (): Promise<Identity> => {
    const found = await findCredentials(options);
    const untold = found.expiration === undefined && found.sessionToken !== undefined;
    return untold ? { ...found, expiration: new Date(Date.now() + READ_AGAIN) } : found;
  };

  return async () => {
    if (current !== null && leftOf(current) > EARLY) return current;
    if (current !== null && leftOf(current) > 0 && Date.now() - lookedAt < LOOK_AGAIN) return current;
    loading ??= load().finally(() => {
      loading = null;
      lookedAt = Date.now();
    });
    try {
      current = await loading;
    } catch (error) {
      // Where they come from may be away for a while; they still hold.
      if (current === null) throw error;
      if (leftOf(current) <= 0) throw endedNow(error);
    }
    return current;
  };
}

/** One search from scratch; the end of what it finds is their own, undefined where they have none or don't tell it. */
export async function findCredentials({ profile, region, handler }: CredentialsOptions): Promise<Identity> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  return await defaultProvider({
    ...(profile !== null && { profile }),
    ...(isEc2() ? ON_EC2 : ELSEWHERE),
    ignoreCache: true,
    logger: SILENT,
    clientConfig: { requestHandler: handler },
    parentClientConfig: { region, requestHandler: handler },
  })();
}

/** There were some, they have ended, and nothing gives others: `translateAwsError` knows it by its name. */
function endedNow(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return Object.assign(new Error(`they have ended, and there are no others: ${why}`, { cause }), {
    name: 'CredentialsEnded',
  });
}

/** Milliseconds until they end. */
const leftOf = ({ expiration }: Identity): number =>
  expiration === undefined ? Number.POSITIVE_INFINITY : expiration.getTime() - Date.now();
