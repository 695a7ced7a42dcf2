import { isAbsolute, resolve } from 'node:path';
import { parseDuration, parseSize } from '../lib/units.ts';
import { type Notification, notificationsOf } from '../model/notify.ts';
import { namesOf } from './default-stack.ts';
import type { PlainObject } from './merge.ts';
import type {
  AwsGroup,
  AwsLedger,
  AwsProfile,
  CommandSettings,
  LocalProfile,
  ManagerProfile,
  Profile,
} from './profile.ts';
import type { AwsFile, LocalFile, ManagerFile } from './schema.ts';

/** A valid profile with its defaults, as written: the type of the result of `withDefaults`. */
export type ProfileFile = LocalFile | AwsFile | ManagerFile;

/** The profile from checked values: units resolved, paths made absolute relative to `dir`. */
export function normalizeProfile(name: string, file: ProfileFile, dir: string, rootDir: string): Profile {
  switch (file.backend) {
    case 'local':
      return normalizeLocal(name, file, dir, rootDir);
    case 'aws':
      return normalizeAws(name, file, dir);
    case 'manager':
      return normalizeManager(name, file);
    default:
      return file satisfies never;
  }
}

const commonFields = (name: string, file: ProfileFile) => ({
  name,
  tz: file.tz ?? null,
  protect: file.protect ?? false,
});

function normalizeLocal(name: string, file: LocalFile, dir: string, rootDir: string): LocalProfile {
  return {
    ...commonFields(name, file),
    backend: 'local',
    root: resolve(rootDir, file.root ?? '.batchctl'),
    durability: file.durability ?? 'process',
    slots: file.slots ?? null,
    groups: mapValues(file.groups ?? {}, commandSettings),
    allowSecrets: file.allowSecrets ?? null,
    requesterPays: file.requesterPays ?? [],
    notify: normalizeNotify(file.notify, dir),
  };
}

function normalizeManager(name: string, file: ManagerFile): ManagerProfile {
  return {
    ...commonFields(name, file),
    backend: 'manager',
    url: file.url.replace(/\/+$/, ''),
    tokenEnv: required(file.tokenEnv),
    fingerprint: file.fingerprint ?? null,
  };
}

function normalizeAws(name: string, file: AwsFile, dir: string): AwsProfile {
  const bucket = typeof file.bucket === 'string' ? { name: file.bucket } : (file.bucket ?? {});
  const names = namesOf({ ...file, bucket: bucket.name, prefix: bucket.prefix });
  return {
    ...commonFields(name, file),
    backend: 'aws',
    region: file.region,
    account: file.account ?? null,
    stack: names.stack,
    aws: { profile: file.aws?.profile ?? null },
    bucket: {
      name: names.bucket,
      existing: bucket.existing ?? false,
      owner: bucket.owner ?? file.account ?? null,
      prefix: bucket.prefix ?? '',
    },
    ledger: normalizeLedger(required(file.ledger), dir),
    groups: mapValues(required(file.groups), (group) => normalizeGroup(group, dir)),
    allowSecrets: file.allowSecrets ?? [],
    requesterPays: file.requesterPays ?? [],
    network: {
      subnets: file.network?.subnets ?? [],
      securityGroups: file.network?.securityGroups ?? [],
      publicIp: file.network?.publicIp ?? true,
    },
    iam: {
      permissionsBoundary: file.iam?.permissionsBoundary ?? null,
      workerProfile: file.iam?.workerProfile ?? null,
      managerProfile: file.iam?.managerProfile ?? null,
    },
    kmsKey: file.kmsKey ?? null,
    tags: file.tags ?? {},
    manager:
      file.manager === undefined
        ? null
        : { instance: required(file.manager.instance), allow: required(file.manager.allow) },
    budget: { month: file.budget?.month ?? null, job: file.budget?.job ?? null },
    prices: file.prices ?? {},
    endpoints: file.endpoints ?? {},
    metrics: file.metrics ?? false,
    notify: normalizeNotify(file.notify, dir),
  };
}

function normalizeGroup(group: NonNullable<AwsFile['groups']>[string], dir: string): AwsGroup {
  return {
    ...commandSettings(group),
    instances: required(group.instances),
    spot: required(group.spot),
    rebalance: required(group.rebalance),
    onDemandBase: required(group.onDemandBase),
    onDemandMax: group.onDemandMax ?? Math.ceil(required(group.max) / 4),
    min: required(group.min),
    max: required(group.max),
    slots: group.slots ?? null,
    visibility: parseDuration(required(group.visibility)),
    disk: parseSize(required(group.disk)),
    ami: group.ami ?? null,
    setup: resolvePath(group.setup, dir),
    setupTimeout: parseDuration(required(group.setupTimeout)),
    packages: required(group.packages),
    read: required(group.read),
    write: required(group.write),
    keys: required(group.keys),
    commandRole: required(group.commandRole),
  };
}

function normalizeLedger(ledger: NonNullable<AwsFile['ledger']>, dir: string): AwsLedger {
  switch (ledger.kind) {
    case 'store':
      return { kind: 'store' };
    case 'simpledb':
      return { kind: 'simpledb', domains: required(ledger.domains) };
    case 'mysql':
    case 'postgres':
      return {
        kind: ledger.kind,
        url: ledger.url,
        password: ledger.password ?? null,
        passwordKey: ledger.passwordKey ?? null,
        passwordEnv: ledger.passwordEnv ?? null,
        iam: ledger.iam ?? false,
        ca: resolvePath(ledger.ca, dir),
      };
    default:
      return ledger satisfies never;
  }
}

function commandSettings(group: {
  env?: Readonly<Record<string, string | number | boolean>> | undefined;
  secrets?: Readonly<Record<string, string>> | undefined;
}): CommandSettings {
  return { env: mapValues(group.env ?? {}, String), secrets: group.secrets ?? {} };
}

/** A receiver; programs get absolute paths. */
function normalizeNotify(list: LocalFile['notify'], dir: string): readonly Notification[] {
  return notificationsOf(list).map((one) =>
    one.to.startsWith('exec:') ? { ...one, to: `exec:${resolve(dir, one.to.slice('exec:'.length))}` } : one,
  );
}

/** A path as written, relative to its file. */
const resolvePath = (path: string | undefined, dir: string): string | null =>
  path === undefined ? null : isAbsolute(path) ? path : resolve(dir, path);

const mapValues = <T, R>(map: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));

/** A value with a default in the table; its absence would be a bug in the table. */
function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('a field without a value has no default in src/config/table.ts');
  return value;
}

/**
 * Accepts common local profiles without the schema, whose loading takes longer than `status` on a local job may.
 * Returns null when in doubt: then the schema decides.
 */
export function parseSimpleLocal(value: PlainObject): LocalFile | null {
  const { backend, root, durability, slots, protect, ...others } = value;
  if (Object.keys(others).length > 0 || backend !== 'local') return null;
  if (root !== undefined && (typeof root !== 'string' || root.trim() === '' || root.includes('\0'))) return null;
  if (durability !== undefined && durability !== 'process' && durability !== 'power') return null;
  if (slots !== undefined && (typeof slots !== 'number' || !Number.isInteger(slots) || slots < 1 || slots > 10_000))
    return null;
  if (protect !== undefined && typeof protect !== 'boolean') return null;
  return { backend, root, durability, slots, protect };
}
