import { gunzipSync, gzipSync } from 'node:zlib';
import type { AwsGroup, AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { ownValue } from '../lib/json.ts';
import { DRAIN_HOOK, gridName, MANAGER_GROUP } from '../lib/stack-names.ts';
import { COMMON, MAIN } from './boot/common.sh.ts';
import { MANAGER } from './boot/manager.sh.ts';
import { WORKER } from './boot/worker.sh.ts';

/** What new instances run: all of it is below `releases/` in the store, named by its SHA-256. */
export interface BootRelease {
  /** SHA-256 of the bundle's archive before compression. */
  readonly sha256: string;
  /** Each group's setup script; null for a group without one. */
  readonly setups: Readonly<Record<string, string | null>>;
  /** The certificate authority of the ledger's server; null without one. */
  readonly ca: string | null;
}

/** The user that runs commands, unless their group sets `commandRole`. */
const COMMAND_USER = 'batchctl-task';

/** Bytes, compressed and before base64 (EC2: user-data). */
const SIZE_LIMIT = 16_384;

/** Services that the script itself calls, by the AWS CLI's names in variables. */
const CALLED_SERVICES = { s3: 'S3', autoscaling: 'AUTO_SCALING', ec2: 'EC2' } as const;

/**
 * The script by which an instance becomes a worker of a group at its first boot. It contains no secret: anyone who may
 * describe the instance can read it. Throws `config` if it would be too long for EC2.
 */
export function workerUserData(profile: AwsProfile, group: string, release: BootRelease): string {
  const settings = ownValue(profile.groups, group);
  if (settings === undefined) {
    throw new BatchctlError('notFound', `the profile ${profile.name} has no group ${group}`, {
      hint: `it has ${Object.keys(profile.groups).join(', ')}`,
    });
  }
  const setup = release.setups[group] ?? null;
  const env = Object.entries(settings.env).map(([name, value]) => `  export ${name}=${word(value)}`);
  return scriptOf(profile, `a worker of group ${group}`, [
    ...commonLines(profile, group, release),
    `PACKAGES=(${settings.packages.map(word).join(' ')})`,
    `SETUP=${word(setup ?? '')}`,
    `SETUP_SECONDS=${settings.setupTimeout}`,
    `COMMAND_USER=${word(settings.commandRole ? '' : COMMAND_USER)}`,
    `# shellcheck disable=SC1003,SC2016 # values as they are written\nsetup_env() {\n${setup === null || env.length === 0 ? '  :' : env.join('\n')}\n}`,
    configFunction(profile, { worker: group }, release),
    COMMON,
    WORKER,
    MAIN,
  ]);
}

/**
 * The script by which an instance becomes the stack's manager, once the Elastic IP of this allocation id is free. It has
 * no comments: CloudFormation can't compress it.
 */
export function managerUserData(profile: AwsProfile, release: BootRelease, allocation: string): string {
  return scriptOf(profile, 'the manager', [
    ...commonLines(profile, MANAGER_GROUP, release),
    `ADDRESS=${word(allocation)}`,
    configFunction(profile, 'manager', release),
    ...[COMMON, MANAGER, MAIN].map((part) => part.replace(/^ *#.*\n/gm, '')),
  ]);
}

function commonLines(
  { name, stack, region, bucket, kmsKey, endpoints }: AwsProfile,
  group: string,
  release: BootRelease,
) {
  const others = Object.entries(CALLED_SERVICES).flatMap(([service, variable]) => {
    const url = endpoints[service as keyof typeof CALLED_SERVICES];
    return url === undefined || isLoopback(url) ? [] : [`export AWS_ENDPOINT_URL_${variable}=${word(url)}`];
  });
  return [
    `STACK=${word(stack)}`,
    `GROUP=${word(group)}`,
    `SCALING_GROUP=${word(gridName(stack, group))}`,
    // The manager's group has no hook.
    `HOOK=${word(group === MANAGER_GROUP ? '' : DRAIN_HOOK)}`,
    `PROFILE=${word(name)}`,
    `REGION=${word(region)}`,
    `BUCKET=${word(bucket.name)}`,
    `PREFIX=${word(bucket.prefix)}`,
    `OWNER=(${bucket.owner === null ? '' : `--expected-bucket-owner ${bucket.owner}`})`,
    `SSE=(${kmsKey === null ? '' : `--server-side-encryption aws:kms --ssekms-key-id ${word(kmsKey)} --bucket-key-enabled`})`,
    `RELEASE=${word(release.sha256)}`,
    `CA=${word(release.ca ?? '')}`,
    ...others,
  ];
}

/** A line of JSON never equals the here-document's delimiter. */
function configFunction(profile: AwsProfile, reader: Reader, { ca }: BootRelease): string {
  const config = JSON.stringify(instanceConfig(profile, reader, ca), null, 1);
  return `write_config() {\n  cat >"$ROOT/etc/batchctl/config.json" <<'CONFIG'\n${config}\nCONFIG\n}`;
}

function scriptOf({ stack }: AwsProfile, what: string, lines: readonly string[]): string {
  const text = [
    '#!/bin/bash',
    `# Makes this instance ${what}, stack ${stack}. Made by batchctl; safe to run twice.`,
    '# It says what it does in /var/log/batchctl-boot.log and, once it is done, in the store: batchctl workers logs INSTANCE',
    'set -euo pipefail',
    ...lines,
  ].join('\n');
  const size = compressed(text).length;
  if (size <= SIZE_LIMIT) return text;
  throw new BatchctlError(
    'config',
    `the user-data of ${what} would have ${size} bytes, compressed, but EC2 allows ${SIZE_LIMIT}`,
    { hint: 'shorten env, secrets and packages of the groups; a setup script is fetched, and may have any length' },
  );
}

/** A script in EC2's form: base64 of gzip, which cloud-init unpacks (cloud-init: user-data formats). */
export const encodeUserData = (text: string): string => compressed(text).toString('base64');

/** The text of any user-data: plain, or compressed by any version of zlib. */
export function decodeUserData(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  try {
    return gunzipSync(bytes).toString();
  } catch {
    return bytes.toString();
  }
}

const compressed = (text: string): Buffer => gzipSync(text, { level: 9 });

/** A word that bash parses to exactly these characters. */
const word = (text: string): string => (/^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Who reads the configuration: a worker, of a group, or the manager, which also sizes groups. */
export type Reader = { readonly worker: string } | 'manager';

/**
 * The profile for an instance (`/etc/batchctl/config.json`): what it needs, without settings that only make a stack.
 * Secrets are in it only as references. A worker gets every group, because it sends tasks to other groups' queues and
 * raises those groups; `env` and `secrets` only of its own group, which only its commands get.
 */
export function instanceConfig(profile: AwsProfile, reader: Reader, ca: string | null): unknown {
  const { name, region, account, stack, bucket, groups, kmsKey, tz, endpoints, budget, prices } = profile;
  const allowSecrets = allowedSecretsFor(reader, profile);
  const elsewhere = Object.entries(endpoints).filter(([, url]) => url !== undefined && !isLoopback(url));
  return {
    profile: name,
    profiles: {
      [name]: {
        backend: 'aws',
        region,
        stack,
        ...(account !== null && { account }),
        bucket: {
          name: bucket.name,
          existing: bucket.existing,
          prefix: bucket.prefix,
          ...(bucket.owner !== account && { owner: bucket.owner }),
        },
        ledger: ledgerOf(profile, ca),
        groups: Object.fromEntries(Object.entries(groups).map(([group, of]) => [group, groupOf(group, of, reader)])),
        ...(kmsKey !== null && { kmsKey }),
        ...(tz !== null && { tz }),
        ...(allowSecrets.length > 0 && { allowSecrets }),
        ...(profile.requesterPays.length > 0 && { requesterPays: profile.requesterPays }),
        // Every watcher enforces jobs' budgets.
        ...((budget.month !== null || budget.job !== null) && { budget: budgetOf(budget) }),
        ...(Object.keys(prices).length > 0 && { prices }),
        ...(elsewhere.length > 0 && { endpoints: Object.fromEntries(elsewhere) }),
        ...notifySettings(reader, profile),
        ...(reader === 'manager' && managerSettings(profile)),
      },
    },
  };
}

function groupOf(name: string, of: AwsGroup, reader: Reader): unknown {
  const { visibility, min, max, slots, env, secrets, ...group } = of;
  const own = isOwn(name, reader);
  return {
    visibility: `${visibility}s`,
    min,
    max,
    ...(slots !== null && { slots }),
    ...(own && Object.keys(env).length > 0 && { env }),
    ...(own && Object.keys(secrets).length > 0 && { secrets }),
    instances: group.instances,
    spot: group.spot,
    ...(own && group.rebalance === 'leave' && { rebalance: group.rebalance }),
    ...(reader === 'manager' && { onDemandBase: group.onDemandBase, onDemandMax: group.onDemandMax }),
  };
}

const isOwn = (group: string, reader: Reader): boolean => reader !== 'manager' && reader.worker === group;

/**
 * Jobs may also name references in any group's secrets, as on the machine that submits them
 * (`Platform.allowedSecrets`).
 */
function allowedSecretsFor(reader: Reader, { allowSecrets, groups }: AwsProfile): readonly string[] {
  const others = Object.entries(groups).flatMap(([group, { secrets }]) =>
    isOwn(group, reader) ? [] : Object.values(secrets).filter((reference) => /^(env|file):/.test(reference)),
  );
  return [...new Set([...allowSecrets, ...others])];
}

const budgetOf = ({ month, job }: AwsProfile['budget']): object => ({
  ...(month !== null && { month }),
  ...(job !== null && { job }),
});

/** A worker sends the notifications that it can; programs, and secrets of one machine, are left to keepers. */
function notifySettings(reader: Reader, { notify }: AwsProfile): object {
  const list = notify.filter(
    ({ to, secret = '' }) => reader === 'manager' || !(to.startsWith('exec:') || /^(env|file):/.test(secret)),
  );
  return { ...(list.length > 0 && { notify: list }) };
}

function managerSettings({ metrics, manager }: AwsProfile): object {
  return { ...(metrics && { metrics }), ...(manager !== null && { manager }) };
}

/** The authority's certificate is next to the file. A password is never in it: the worker reads it where it is. */
function ledgerOf({ ledger }: AwsProfile, ca: string | null): unknown {
  if (ledger.kind === 'store' || ledger.kind === 'simpledb') return ledger;
  const { kind, url, password, iam } = ledger;
  return {
    kind,
    url,
    ...(password !== null && { password }),
    ...(iam && { iam }),
    ...(ca !== null && { ca: 'ca.pem' }),
  };
}

/** An endpoint on this machine (a tunnel, an emulator) doesn't exist on an instance. */
function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127[.]/.test(hostname);
}
