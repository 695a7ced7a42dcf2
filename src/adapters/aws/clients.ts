import type { Agent } from 'node:http';
import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { IAMClient } from '@aws-sdk/client-iam';
import type { KMSClient } from '@aws-sdk/client-kms';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import type { SNSClient } from '@aws-sdk/client-sns';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import type { STSClient } from '@aws-sdk/client-sts';
import { OnceMap } from '../../lib/once.ts';
import { type CredentialProvider, type CredentialsOptions, credentialChain, findCredentials } from './credentials.ts';
import { isExpiry, statusOf } from './errors.ts';
import { withHotCalls } from './hot-calls.ts';
import { type HttpLimits, RoutedHandler, SILENT } from './http-handler.ts';
import { RateLimits } from './rate-limits.ts';
import { QuotaFreeRetries } from './retries.ts';

/** Plain data, so that a thread can create its own clients. */
export interface AwsClientsOptions {
  readonly region: string;
  /** The profile in ~/.aws/config; null: the SDK's default chain. */
  readonly profile: string | null;
  /** The only account that may be written to; null: any account. */
  readonly account: string | null;
  /** Endpoints that replace AWS's (an emulator, a VPC endpoint), by the keys of the configuration. */
  readonly endpoints: Readonly<Partial<Record<Service, string>>>;
  /** Environment with proxies and the CA file; `process.env` by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

type Service =
  | ('s3' | 'sqs' | 'ec2' | 'autoscaling' | 'iam' | 'ssm' | 'sts' | 'simpledb' | 'secretsmanager' | 'kms')
  | ('sns' | 'cloudwatch' | 'servicequotas');

/**
 * The use of a client. Each has its own sockets and attempts, so that an upload never delays a heartbeat. `bulk`:
 * requests of stores and buckets to S3, the only rate-limited ones · `poll`: long polls · `heartbeat`: leases ·
 * `control`: small requests · `probe`: checks by `doctor`, which would rather report a slow service than wait for it.
 */
export type ClientUse = 'bulk' | 'poll' | 'heartbeat' | 'control' | 'probe';

interface Limits extends HttpLimits {
  readonly attempts: number;
}

const LIMITS: Readonly<Record<ClientUse, Limits>> = {
  // No limit on the whole request, as 64 MiB may take minutes. Silence is limited instead.
  bulk: { connect: 10_000, idle: 60_000, sockets: 256, attempts: 8 },
  // A poll waits at most 20 s (SQS ReceiveMessage). An answer that is 10 s late never comes.
  poll: { connect: 5_000, answer: 30_000, idle: 30_000, sockets: 64, attempts: 3 },
  // Three attempts fit into the third of a lease before the next heartbeat is due.
  heartbeat: { connect: 2_000, answer: 4_000, idle: 4_000, sockets: 16, attempts: 3 },
  control: { connect: 5_000, answer: 30_000, idle: 30_000, sockets: 64, attempts: 6 },
  // Both attempts fit into a check's time limit (jobs/doctor/run-checks).
  probe: { connect: 3_000, answer: 6_500, idle: 6_500, sockets: 64, attempts: 2 },
};

/**
 * The only place that creates SDK clients: one per service and use. The SDK is loaded, and credentials are looked up,
 * only when a client is first asked for; each service is loaded separately.
 */
export class AwsClients {
  readonly region: string;
  readonly profile: string | null;
  readonly account: string | null;
  readonly credentials: CredentialProvider;
  readonly rates: RateLimits;
  readonly #endpoints: AwsClientsOptions['endpoints'];
  readonly #env: Readonly<Record<string, string | undefined>>;
  #chain: CredentialProvider | null = null;
  readonly #handlers = new Map<ClientUse, RoutedHandler>();
  readonly #clients = new OnceMap<{ destroy(): void }>();

  /** Shares `rates` with the process's other clients, if given. */
  constructor(options: AwsClientsOptions, rates: RateLimits = new RateLimits()) {
    this.rates = rates;
    this.region = options.region;
    this.profile = options.profile;
    this.account = options.account;
    this.#endpoints = options.endpoints;
    this.#env = options.env ?? process.env;
    this.credentials = (options) => {
      this.#chain ??= credentialChain(this.#credentialsOptions());
      return this.#chain(options);
    };
  }

  /** Asks the chain again from scratch, so that credentials come with their own expiry. Throws as the chain does. */
  lookUpCredentials(): ReturnType<CredentialProvider> {
    return findCredentials(this.#credentialsOptions());
  }

  #credentialsOptions(): CredentialsOptions {
    return { region: this.region, profile: this.profile, handler: this.#handler('control') };
  }

  /** The endpoint that replaces AWS's own; undefined if none is configured. */
  endpoint(service: Service): string | undefined {
    return this.#endpoints[service];
  }

  s3(use: ClientUse = 'bulk'): Promise<S3Client> {
    return this.#client('s3', use, async (config) => {
      const { S3Client } = await import('@aws-sdk/client-s3');
      const forcePathStyle = this.#endpoints.s3 !== undefined;
      // The store checks whole bodies itself, across resumed reads too.
      return withHotCalls(new S3Client({ ...config, forcePathStyle, responseChecksumValidation: 'WHEN_REQUIRED' }));
    });
  }

  sqs(use: ClientUse): Promise<SQSClient> {
    return this.#client('sqs', use, async (config) => {
      const { SQSClient } = await import('@aws-sdk/client-sqs');
      // TLS protects the bodies. Their MD5 costs processor time, and hosts in FIPS mode have no MD5.
      return withHotCalls(new SQSClient({ ...config, md5: false }));
    });
  }

  sts(use: ClientUse = 'control'): Promise<STSClient> {
    return this.#client('sts', use, async (config) => new (await import('@aws-sdk/client-sts')).STSClient(config));
  }

  /** @param region another one of the account's, with the same credentials and endpoint. */
  ec2(region: string = this.region): Promise<EC2Client> {
    return this.#client(
      'ec2',
      'control',
      async (config) => new (await import('@aws-sdk/client-ec2')).EC2Client(config),
      region,
    );
  }

  autoScaling(use: ClientUse = 'control'): Promise<AutoScalingClient> {
    return this.#client('autoscaling', use, async (config) => {
      const { AutoScalingClient } = await import('@aws-sdk/client-auto-scaling');
      return new AutoScalingClient(config);
    });
  }

  iam(): Promise<IAMClient> {
    return this.#client(
      'iam',
      'control',
      async (config) => new (await import('@aws-sdk/client-iam')).IAMClient(config),
    );
  }

  kms(): Promise<KMSClient> {
    return this.#client(
      'kms',
      'control',
      async (config) => new (await import('@aws-sdk/client-kms')).KMSClient(config),
    );
  }

  ssm(): Promise<SSMClient> {
    return this.#client(
      'ssm',
      'control',
      async (config) => new (await import('@aws-sdk/client-ssm')).SSMClient(config),
    );
  }

  secretsManager(): Promise<SecretsManagerClient> {
    return this.#client('secretsmanager', 'control', async (config) => {
      const { SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
      return new SecretsManagerClient(config);
    });
  }

  serviceQuotas(): Promise<ServiceQuotasClient> {
    return this.#client('servicequotas', 'probe', async (config) => {
      const { ServiceQuotasClient } = await import('@aws-sdk/client-service-quotas');
      return new ServiceQuotasClient(config);
    });
  }

  sns(): Promise<SNSClient> {
    return this.#client(
      'sns',
      'control',
      async (config) => new (await import('@aws-sdk/client-sns')).SNSClient(config),
    );
  }

  cloudWatch(): Promise<CloudWatchClient> {
    return this.#client('cloudwatch', 'control', async (config) => {
      const { CloudWatchClient } = await import('@aws-sdk/client-cloudwatch');
      return new CloudWatchClient(config);
    });
  }

  /** The agent for requests without the SDK, with the same proxy and certificates. */
  agentFor(url: URL, use: ClientUse): Agent {
    return this.#handler(use).agentFor(url);
  }

  /** How far S3's clock is ahead of this machine's, milliseconds, by its latest answer; null before the first. */
  clockOffset(): number | null {
    return this.#handlers.get('bulk')?.clockOffset() ?? null;
  }

  /** Closes the sockets. Requests in flight fail. */
  async close(): Promise<void> {
    const clients = await Promise.allSettled(this.#clients.takeAll());
    this.rates.close();
    for (const client of clients) if (client.status === 'fulfilled') client.value.destroy();
    for (const handler of this.#handlers.values()) handler.destroy();
    this.#handlers.clear();
  }

  #handler(use: ClientUse): RoutedHandler {
    const known = this.#handlers.get(use);
    if (known !== undefined) return known;
    const handler = new RoutedHandler(LIMITS[use], this.#env, use === 'bulk' ? this.rates : null);
    this.#handlers.set(use, handler);
    return handler;
  }

  #client<C extends { destroy(): void }>(
    service: Service,
    use: ClientUse,
    create: (config: ClientConfig) => Promise<C>,
    region = this.region,
  ): Promise<C> {
    const make = async (): Promise<C> => {
      const endpoint = this.#endpoints[service];
      const { attempts } = LIMITS[use];
      const client = await create({
        region,
        credentials: this.credentials,
        maxAttempts: attempts,
        retryStrategy: new QuotaFreeRetries(attempts),
        requestHandler: this.#handler(use),
        logger: SILENT,
        ...(endpoint !== undefined && { endpoint }),
      });
      return watchInTests(renewExpired(suppressSkewRetries(client)));
    };
    // Each service is used by one method only, so its name determines the class.
    return this.#clients.get(`${service} ${use} ${region}`, make) as Promise<C>;
  }
}

/** The configuration that the clients of all services share. */
interface ClientConfig {
  readonly region: string;
  readonly credentials: CredentialProvider;
  readonly maxAttempts: number;
  readonly retryStrategy: QuotaFreeRetries;
  readonly requestHandler: RoutedHandler;
  readonly logger: typeof SILENT;
  readonly endpoint?: string;
}

type Next = (args: unknown) => Promise<unknown>;

/** The middleware stack, as far as it is the same in all SDK clients. */
interface Stack {
  addRelativeTo(
    middleware: (next: Next) => Next,
    at: { readonly name: string; readonly relation: 'before'; readonly toMiddleware: string },
  ): void;
}

/** Errors of a wrong signing time (@smithy/core: CLOCK_SKEW_ERROR_CODES), or errors without a code, as HEAD gives. */
const CLOCK_ERRORS =
  /^(AuthFailure|InvalidSignatureException|Request(Expired|InTheFuture|TimeTooSkewed)|SignatureDoesNotMatch|Unknown(Error)?|Forbidden|40[03])$/;

/**
 * While this machine's clock is off by four minutes or more, the SDK takes every error for clock skew, because it
 * corrects the clock by each answer's date. It then spends all attempts even on "not found" or "already exists"
 * (@aws-sdk/core: AwsSdkSigV4Signer).
 */
function suppressSkewRetries<C>(client: C): C {
  // Every SDK client has this stack.
  const { middlewareStack } = client as unknown as { readonly middlewareStack: Stack };
  middlewareStack.addRelativeTo(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        const mayBe = error instanceof Error && CLOCK_ERRORS.test(error.name) && (statusOf(error) ?? 0) <= 403;
        if (!mayBe && error instanceof Error && '$metadata' in error) {
          Object.assign(error.$metadata ?? {}, { clockSkewCorrected: false });
        }
        throw error;
      }
    },
    { name: 'judgingClock', relation: 'before', toMiddleware: 'httpSigningMiddleware' },
  );
  return client;
}

/** An SDK client, as far as all are alike. */
interface Renewable {
  readonly config: { credentials(options?: { readonly forceRefresh: boolean }): ReturnType<CredentialProvider> };
  readonly middlewareStack: {
    add(
      middleware: (next: Next) => (args: { readonly input?: unknown }) => Promise<unknown>,
      at: { readonly step: 'initialize'; readonly name: string },
    ): void;
  };
}

/**
 * When a service says that credentials have expired, they are looked up again, and the request is repeated with new ones:
 * those that a person has put into a file say nothing of their expiry, and are otherwise kept for minutes.
 */
function renewExpired<C>(client: C): C {
  // Every SDK client has these members.
  const { config, middlewareStack } = client as unknown as Renewable;
  middlewareStack.add(
    (next) => async (args) => {
      // Expired ones that the chain knows of were looked up again just now: then this throws.
      const before = isStream(args.input) ? null : await config.credentials().catch(() => null);
      try {
        return await next(args);
      } catch (error) {
        if (!isExpiry(error)) throw error;
        const now = await config.credentials({ forceRefresh: true }).catch(() => null);
        if (before === null || now === null || now.sessionToken === before.sessionToken) throw error;
        return await next(args);
      }
    },
    { step: 'initialize', name: 'renewExpired' },
  );
  return client;
}

/** Whether the input of a command has a body that can be sent only once. */
function isStream(input: unknown): boolean {
  const body = typeof input === 'object' && input !== null && 'Body' in input ? input.Body : undefined;
  return body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array);
}

/** In tests, a module named by its path sees every request (test/support/run/aws-requests.mjs). */
async function watchInTests<C>(client: C): Promise<C> {
  const module = process.env.BATCHCTL_TEST_AWS_REQUESTS;
  if (module !== undefined) (await import(module)).watch(client);
  return client;
}
