import { readFileSync } from 'node:fs';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { type RoutedHandler, SILENT } from './http-handler.ts';

export type Credentials = Extract<NonNullable<S3ClientConfig['credentials']>, () => unknown>;

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

/** The SDK's own chain; looks for nothing before it is called. */
export function credentialChain({ profile, region, handler }: CredentialsOptions): Credentials {
  const load = once(async () => {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    return defaultProvider({
      ...(profile !== null && { profile }),
      ...(isEc2() ? ON_EC2 : ELSEWHERE),
      logger: SILENT,
      clientConfig: { requestHandler: handler },
      parentClientConfig: { region, requestHandler: handler },
    });
  });
  return async (properties) => (await load())(properties);
}

function isEc2(): boolean {
  try {
    return readFileSync('/sys/class/dmi/id/sys_vendor', 'utf8').startsWith('Amazon EC2');
  } catch {
    return false;
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}
