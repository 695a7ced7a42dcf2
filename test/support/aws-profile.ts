import fc from 'fast-check';
import { type AwsProfile, loadConfig } from '../../src/config/load-config.ts';
import { partitionOf } from '../../src/lib/stack-names.ts';
import { Workspace } from './workspace.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A profile on AWS with these fields, read as the program does. */
export async function awsProfile(fields: Fields = {}, env: Readonly<Record<string, string>> = {}): Promise<AwsProfile> {
  const here = new Workspace();
  try {
    const aws = { backend: 'aws', region: 'eu-west-1', account: '123456789012', stack: 'month-end', ...fields };
    here.write('batchctl.config.json', { profile: 'prod', profiles: { prod: aws } });
    const { profile } = await loadConfig({ env, cwd: here.dir, home: '', etc: '' });
    if (profile.backend !== 'aws') throw new Error('expected a profile on AWS');
    return profile;
  } finally {
    await here.remove();
  }
}

/** A profile with every field that leads to requests to IAM, EC2 or Auto Scaling. */
export function everyField(region: string): Fields {
  const arn = (service: string, resource: string, of = region) =>
    `arn:${partitionOf(region)}:${service}:${of}:123456789012:${resource}`;
  return {
    region,
    bucket: { name: 'acme-data', existing: false, prefix: 'batch/' },
    kmsKey: arn('kms', 'key/11111111-2222-3333-4444-555555555555'),
    iam: { permissionsBoundary: arn('iam', 'policy/boundary', '') },
    tags: { CostCenter: '4711' },
    groups: {
      default: { read: ['s3://acme-raw/in/'], write: ['s3://acme-out/'], spot: true },
      gpu: {
        spot: false,
        ami: 'ssm:/acme/image',
        setup: 'setup.sh',
        packages: ['jq'],
        env: { MODE: 'fast' },
        secrets: { KEY: 'ssm:/claims/key', TOKEN: 'secretsmanager:claims#token' },
      },
    },
    manager: { allow: ['203.0.113.0/24'] },
    notify: [
      { on: ['failed'], to: `sns:${arn('sns', 'ops')}`, secret: 'ssm:/hook' },
      { on: ['late'], to: 'sns:pages', secret: 'secretsmanager:hook' },
    ],
    metrics: true,
    budget: { month: 2000 },
  };
}

const name = (most: number) =>
  fc
    .stringMatching(new RegExp(`^[a-z][a-z0-9-]{0,${most - 1}}$`))
    .filter((text) => text !== 'last' && !/^sg(-|$)/.test(text));
/** Text that all services of AWS accept in tags. */
const tagText = (least: number, most: number) =>
  fc.stringMatching(new RegExp(`^[A-Za-z0-9 _.:/=+@äß日-]{${least},${most}}$`)).filter((text) => text.trim() === text);
const seconds = (from: number, to: number) => fc.integer({ min: from, max: to }).map((count) => `${count}s`);

const group = fc
  .record(
    {
      spot: fc.boolean(),
      onDemandBase: fc.nat(5),
      max: fc.integer({ min: 1, max: 500 }),
      visibility: seconds(15, 12 * 3600),
      disk: fc.integer({ min: 20, max: 16_000 }).map((size) => `${size}GB`),
      instances: fc.uniqueArray(fc.constantFrom('c7g.large', 'c7g.xlarge', 'm7g.large', 'r7g.2xlarge'), {
        minLength: 1,
      }),
      env: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,20}$/), fc.string({ maxLength: 40, unit: 'grapheme-ascii' })),
      secrets: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,20}$/), fc.constantFrom('ssm:/a/b', 'secretsmanager:a#b')),
      read: fc.array(
        fc
          .constantFrom('s3://raw/a b/', 's3://raw/données/', 's3://raw', 's3://raw/#/')
          .map((url) => url.replace(' ', '+')),
      ),
    },
    { requiredKeys: [] },
  )
  .filter(({ onDemandBase = 0, max = 20 }) => onDemandBase <= max);

const configuration = fc.record({
  stack: name(20),
  groups: fc.dictionary(
    name(20).filter((text) => text !== 'manager' && text !== 'worker'),
    group,
    { minKeys: 1, maxKeys: 2 },
  ),
  tags: fc.dictionary(
    // The configuration rejects a field named __proto__.
    tagText(1, 128).filter((key) => !/^(aws|batchctl):/i.test(key) && key !== '__proto__'),
    tagText(0, 256),
    { maxKeys: 5 },
  ),
  prefix: fc.constantFrom('', 'batch/', 'a*b/$' + '{c}/', 'données/', '日本/'),
  ledger: fc.constantFrom({ kind: 'store' }, { kind: 'simpledb', domains: 2 }),
  manager: fc.option(fc.record({ allow: fc.array(fc.constantFrom('203.0.113.0/24', '::/0'), { maxLength: 2 }) }), {
    nil: undefined,
  }),
  bounded: fc.boolean(),
  encrypted: fc.boolean(),
});

/**
 * The fields of random profiles that the schema accepts; the same seed gives the same profiles. Their permissions boundary,
 * if they have one, is the policy `boundary`.
 */
export function sampleFields(
  count: number,
  seed: number,
  { region, account, bucket }: { readonly region: string; readonly account: string; readonly bucket: string },
): readonly Readonly<Record<string, unknown>>[] {
  const arn = `arn:${partitionOf(region)}`;
  const samples = fc.sample(configuration, { numRuns: count, seed });
  return samples.map(({ prefix, bounded, encrypted, ...fields }, number) => ({
    ...fields,
    region,
    account,
    bucket: { name: `${bucket}-${number}`, prefix },
    ...(bounded && { iam: { permissionsBoundary: `${arn}:iam::${account}:policy/boundary` } }),
    ...(encrypted && { kmsKey: `${arn}:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555` }),
  }));
}
