import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { AwsClients } from '../adapters/aws/clients.ts';
import type { AwsProfile, LocalProfile } from '../config/load-config.ts';
import { hasCode } from '../errors.ts';
import { homeOf } from '../lib/home.ts';
import { domainName, gridName, queueName } from '../lib/stack-names.ts';
import { type Finding, pass } from '../model/finding.ts';
import type { DiskSpace } from '../model/machine-facts.ts';
import type { Check } from '../ports/check.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { hasNoAccounts, isMissingFromEmulator } from './account-guard.ts';
import { serverOptions, simpleDbOptions } from './aws-ledger.ts';

/** The checks of `doctor` for an AWS profile's services, in order of dependency. */
export interface AwsChecks {
  readonly services: readonly Check[];
  /** The settings of the bucket; only useful if it exists. */
  readonly settings: readonly Check[];
  /** Whether the profile's key encrypts objects; writes a probe and deletes it. */
  readonly encryption: (store: ObjectStore) => readonly Check[];
  close(): Promise<void>;
}

/**
 * Makes one request before the checks run, to locate the bucket. On a terminal it gets the credentials first: a check
 * has only seconds, and typing an MFA code takes longer.
 */
export async function awsChecks(profile: AwsProfile): Promise<AwsChecks> {
  const [{ AwsClients }, { waitForMfaCode }, { openBucket }, identity, checks, bucket, quotas] = await Promise.all([
    import('../adapters/aws/clients.ts'),
    import('../adapters/aws/credentials.ts'),
    import('../adapters/aws/s3-bucket.ts'),
    import('../adapters/aws/identity.ts'),
    import('../adapters/aws/checks.ts'),
    import('../adapters/aws/check-bucket.ts'),
    import('../adapters/aws/vcpu-quotas.ts'),
  ]);
  const { region, account, endpoints, stack, groups } = profile;
  const clients = new AwsClients({ region, account, endpoints, profile: profile.aws.profile });
  await waitForMfaCode(clients.credentials);
  const services = (['s3', 'sqs', 'sts', 'simpledb'] as const).filter(
    (service) => service !== 'simpledb' || profile.ledger.kind === 'simpledb',
  );
  const places = services.map((service) => checks.serviceEndpointOf(service, region, clients.endpoint(service)));
  const checked = Object.entries(groups).map(([group, { visibility }]) => ({
    group,
    name: queueName(stack, group),
    visibility,
  }));
  const uses = Object.entries(groups).map(([group, settings]) => quotas.quotaUseOf(settings, group));
  const scaled = Object.keys(groups).map((group) => ({ group, name: gridName(stack, group) }));
  const probed = await openBucket(clients, { ...profile.bucket, kmsKey: profile.kmsKey }, 'probe');
  return {
    services: [
      ...checks.routeChecks(places, process.env),
      ...identity.identityChecks(clients, !hasNoAccounts(profile)),
      ...bucket.bucketChecks(probed, region),
      ...checks.queueChecks(clients, homeOf(profile), checked),
      ...(isMissingFromEmulator(profile, 'autoscaling') ? [] : checks.groupChecks(clients, homeOf(profile), scaled)),
      ...(isMissingFromEmulator(profile, 'servicequotas') ? [] : [quotas.quotaCheck(clients, uses)]),
      { code: 'ledger', run: () => ledgerFinding(profile, clients) },
    ],
    settings: bucket.bucketSettings(probed),
    encryption: (store) => (profile.kmsKey === null ? [] : [bucket.keyCheck(probed, profile.kmsKey, store)]),
    close: () => clients.close(),
  };
}

async function ledgerFinding(profile: AwsProfile, clients: AwsClients): Promise<Finding> {
  const { ledger, stack } = profile;
  switch (ledger.kind) {
    case 'store':
      return pass('it is in the bucket');
    case 'simpledb': {
      const { checkSimpleDb } = await import('../adapters/aws/simpledb-client.ts');
      const domains = Array.from({ length: ledger.domains }, (_, n) => domainName(stack, n));
      return await checkSimpleDb(simpleDbOptions(profile, clients, 'probe'), domains);
    }
    case 'postgres':
    case 'mysql': {
      const { checkLedger } = await import('../adapters/sql/check-ledger.ts');
      return await checkLedger(await serverOptions(profile, clients, ledger));
    }
    default:
      return ledger satisfies never;
  }
}

/** Checks that a local root's disk responds at all. Its other checks block the process, so they run after this one. */
export function diskCheck({ root }: LocalProfile): Check {
  const run = async (): Promise<Finding> => {
    try {
      await stat(root);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return pass(`${root} does not exist yet; the first job creates it`);
      // The check of the root says who may use it.
      if (!hasCode(error, 'EACCES')) throw error;
    }
    return pass(`${root} responds`);
  };
  return { code: 'disk', run };
}

/** Checks what a local profile's root needs before anything is opened there. */
export async function localChecks({ root }: LocalProfile): Promise<readonly Check[]> {
  const { fileChecks, SQLITE_CHECK } = await import('../adapters/local/checks.ts');
  return [SQLITE_CHECK, ...fileChecks(root)];
}

/** The disks of a local profile, also before its root exists. */
export async function localDisks({ root }: LocalProfile): Promise<readonly DiskSpace[]> {
  return (await import('../adapters/local/insight.ts')).diskSpaces(root);
}

/** The checks of a local root that open its databases: after those of `localChecks`, if none of those failed. */
export async function localDatabaseChecks({ root }: LocalProfile): Promise<readonly Check[]> {
  return existsSync(root) ? (await import('../adapters/local/checks.ts')).databaseChecks(root) : [];
}
