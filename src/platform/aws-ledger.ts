import type { AwsClients, ClientUse } from '../adapters/aws/clients.ts';
import type { SimpleDbOptions } from '../adapters/aws/simpledb-http.ts';
import type { PasswordSource, ServerOptions } from '../adapters/sql/server-options.ts';
import type { AwsProfile, LedgerServer } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { eachParallel } from '../lib/parallel.ts';
import { jitter, wait } from '../lib/wait.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import type { SecretSource } from '../ports/secret-source.ts';
import type { WriteGuard } from './account-guard.ts';
import { awsSecrets } from './secrets.ts';

interface AwsLedgerParts {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
  readonly store: ObjectStore;
  readonly writer: string;
  /** True for a worker, which may be one of many. */
  readonly shares: boolean;
  readonly allowed: WriteGuard;
}

/** Opens the ledger of the profile's kind. Throws `config` for a missing password, and otherwise like the adapters. */
export async function openAwsLedger(parts: AwsLedgerParts): Promise<Ledger> {
  const { profile, store, writer, shares } = parts;
  const { ledger } = profile;
  switch (ledger.kind) {
    case 'store':
      return (await import('../adapters/store/store-ledger.ts')).openStoreLedger({ store, writer, shares });
    case 'simpledb':
      return openSimpleDb(parts, ledger.domains);
    case 'postgres':
    case 'mysql':
      return openServer(parts, ledger);
    default:
      return ledger satisfies never;
  }
}

async function openSimpleDb(parts: AwsLedgerParts, domains: number): Promise<Ledger> {
  const { profile, clients, store, writer, allowed, shares } = parts;
  const [{ SimpleDbObjects }, { openStoreLedger }] = await Promise.all([
    import('../adapters/aws/simpledb-objects.ts'),
    import('../adapters/store/store-ledger.ts'),
    // Opening creates missing domains.
    allowed(),
  ]);
  const objects = new SimpleDbObjects({
    ...simpleDbOptions(profile, clients, 'control'),
    stack: profile.stack,
    domains,
    store,
  });
  await objects.open();
  return openStoreLedger({ store: objects, writer, shares });
}

export function simpleDbOptions(profile: AwsProfile, clients: AwsClients, use: ClientUse): SimpleDbOptions {
  return {
    region: profile.region,
    endpoint: clients.endpoint('simpledb'),
    credentials: clients.credentials,
    agentFor: (url) => clients.agentFor(url, use),
    profile: profile.aws.profile,
  };
}

async function openServer({ profile, clients, writer }: AwsLedgerParts, server: LedgerServer): Promise<Ledger> {
  const { openSqlLedger } = await import('../adapters/sql/sql-ledger.ts');
  const ledger = openSqlLedger({ ...(await serverOptions(profile, clients, server)), writer });
  await ledger.open();
  return ledger;
}

/** The address and login of a ledger on a server. Throws `config` for a missing password. */
export async function serverOptions(
  profile: AwsProfile,
  clients: AwsClients,
  server: LedgerServer,
): Promise<{ readonly dialect: 'postgres' | 'mysql' } & ServerOptions> {
  const { kind: dialect, url, ca } = server;
  const password = await passwordOf(profile, clients, server);
  return { dialect, url, ca, ...(password !== null && { password }) };
}

async function passwordOf(
  profile: AwsProfile,
  clients: AwsClients,
  server: LedgerServer,
): Promise<PasswordSource | null> {
  if (server.password !== null) return secretPassword(server.password, awsSecrets(clients));
  if (server.iam) {
    const { rdsTokens } = await import('../adapters/aws/rds-token.ts');
    const { region, aws } = profile;
    const get = rdsTokens({ region, credentials: clients.credentials, profile: aws.profile });
    return { from: 'an IAM token', get };
  }
  const { passwordEnv: name } = server;
  if (name === null) return null;
  const password = process.env[name];
  if (password === undefined || password === '') {
    throw new BatchctlError('config', `expected the password of the ledger in ${name}, found no such variable`, {
      hint: `export ${name}=..., or name the secret with the password in ledger.password`,
    });
  }
  return { from: `the variable ${name}`, get: async () => password };
}

/**
 * Waits before a refused password is read again, milliseconds. While Secrets Manager rotates it, the database has the new
 * one a few seconds before the secret does (Secrets Manager: rotation, setSecret and finishSecret).
 */
const ROTATION_WAITS = [0, 1_000, 3_000, 6_000];

/**
 * Reads the password once, and again after the server refused it. It is in memory only: of the process, and of the
 * connections that it opens.
 */
export function secretPassword(reference: string, secrets: SecretSource, waits = ROTATION_WAITS): PasswordSource {
  let known: Promise<string> | null = null;
  const read = (): Promise<string> => {
    const reading = secrets.read(reference);
    known = reading;
    reading.catch(() => {
      if (known === reading) known = null;
    });
    return reading;
  };
  return {
    from: reference,
    get: () => known ?? read(),
    renew: async (refused) => {
      for (const ms of waits) {
        await wait(jitter(ms));
        const before = known;
        // Another connection may have read the new one already.
        if ((await before) === refused && known === before) known = null;
        const password = await (known ?? read());
        if (password !== refused) return password;
      }
      return null;
    },
  };
}

const AT_ONCE = 16;

/**
 * Drops the tables of the profile's ledger on a server. If they hold a job that `isKnown` denies, another stack uses
 * the database and they stay. Returns why they stay; null once they are gone.
 */
export async function dropTables(
  profile: AwsProfile,
  platform: Platform,
  isKnown: (job: string) => Promise<boolean>,
): Promise<{ readonly why: string } | null> {
  const { ledger: server } = profile;
  if (server.kind !== 'postgres' && server.kind !== 'mysql') return null;
  const ledger = await platform.ledger();
  const foreign: string[] = [];
  await eachParallel(await ledger.jobs({}), AT_ONCE, async ({ job }) => {
    if (foreign.length === 0 && !(await isKnown(job))) foreign.push(job);
  });
  const [other] = foreign;
  if (other !== undefined) return { why: `they contain ${other}, which is not a job of this stack` };
  const [{ AwsClients }, { dropLedger }] = await Promise.all([
    import('../adapters/aws/clients.ts'),
    import('../adapters/sql/check-ledger.ts'),
  ]);
  const { region, account, endpoints, aws } = profile;
  const clients = new AwsClients({ region, account, endpoints, profile: aws.profile });
  try {
    await dropLedger(await serverOptions(profile, clients, server));
  } finally {
    await clients.close();
  }
  return null;
}
