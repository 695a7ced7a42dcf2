// Protects: whatever configuration the schema accepts leads to requests that keep to AWS's models (run/aws-requests.mjs looks).
import { CreatePolicyCommand, IAMClient } from '@aws-sdk/client-iam';
import { expect } from 'chai';
import fc from 'fast-check';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { ENDPOINTS } from '../../src/config/profile.ts';
import type { Resource } from '../../src/infra/resource.ts';
import { resourcesOf } from '../../src/infra/stack.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, up } from '../support/grid/emulated-account.ts';

/** Of a ledger in the bucket, or in SimpleDB. */
const NO_TABLES = { open: async () => null, drop: async () => null };
const RELEASE = { sha256: 'a'.repeat(64), setups: {}, ca: null };
/** What is put into the bucket is another's test. */
const RELEASES = {
  ...{ wanted: async () => RELEASE, inForce: async () => RELEASE, missing: async () => null },
  ...{
    look: async () => ({ current: null, differences: [], note: null }),
    make: async () => null,
    remove: async () => {},
  },
};
const CONFIGURATIONS = 4;
const SEED = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);

const name = (most: number) =>
  fc.stringMatching(new RegExp(`^[a-z][a-z0-9-]{0,${most - 1}}$`)).filter((text) => text !== 'last');
/** What AWS takes in tags in all services. */
const tagText = (least: number, most: number) =>
  fc.stringMatching(new RegExp(`^[A-Za-z0-9 _.:/=+@äß日-]{${least},${most}}$`)).filter((text) => text.trim() === text);
const seconds = (from: number, to: number) => fc.integer({ min: from, max: to }).map((count) => `${count}s`);

const group = fc.record(
  {
    spot: fc.boolean(),
    onDemandBase: fc.nat(5),
    // Never below onDemandBase.
    max: fc.integer({ min: 5, max: 500 }),
    visibility: seconds(15, 12 * 3600),
    disk: fc.integer({ min: 20, max: 16_000 }).map((size) => `${size}GB`),
    instances: fc.uniqueArray(fc.constantFrom('c7g.large', 'c7g.xlarge', 'm7g.large', 'r7g.2xlarge'), { minLength: 1 }),
    env: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,20}$/), fc.string({ maxLength: 40, unit: 'grapheme-ascii' })),
    secrets: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,20}$/), fc.constantFrom('ssm:/a/b', 'secretsmanager:a#b')),
    read: fc.array(
      fc
        .constantFrom('s3://raw/a b/', 's3://raw/données/', 's3://raw', 's3://raw/#/')
        .map((url) => url.replace(' ', '+')),
    ),
  },
  { requiredKeys: [] },
);

const configuration = fc.record({
  stack: name(20),
  groups: fc.dictionary(
    name(20).filter((text) => text !== 'manager' && text !== 'worker'),
    group,
    { minKeys: 1, maxKeys: 2 },
  ),
  tags: fc.dictionary(
    tagText(1, 128).filter((key) => !/^(aws|batchctl):/i.test(key)),
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

describe('the requests of infra', () => {
  let cloud: Cloud;
  before(async () => {
    cloud = await startCloud();
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' });
    const iam = new IAMClient({ region: 'us-east-1', endpoint: cloud.url });
    const PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}';
    await iam.send(new CreatePolicyCommand({ PolicyName: 'boundary', PolicyDocument }));
    iam.destroy();
  });
  after(() => cloud?.close());

  it(`are such that AWS can take them, of any configuration (seed ${SEED})`, async () => {
    const samples = fc.sample(configuration, { numRuns: CONFIGURATIONS, seed: SEED });
    for (const [number, { prefix, bounded, encrypted, ...fields }] of samples.entries()) {
      const { account } = cloud;
      const profile = await awsProfile({
        ...{
          ...fields,
          region: 'us-east-1',
          account,
          bucket: { name: `b-${SEED}-${number}`, prefix },
        },
        ...(bounded && { iam: { permissionsBoundary: `arn:aws:iam::${account}:policy/boundary` } }),
        ...(encrypted && { kmsKey: `arn:aws:kms:us-east-1:${account}:key/11111111-2222-3333-4444-555555555555` }),
        endpoints: Object.fromEntries(ENDPOINTS.map((service) => [service, cloud.url])),
      });
      const { region, endpoints } = profile;
      const clients = new AwsClients({ region, endpoints, profile: null, account });
      const all = resourcesOf({ profile, clients, tables: NO_TABLES, releases: RELEASES }, null, 'wanted');
      const resources = all.filter((resource: Resource) => resource.kind !== 'release');
      try {
        expect((await up(resources)).length, JSON.stringify(fields)).to.be.at.least(8);
        await down(resources);
      } finally {
        await clients.close();
      }
    }
  });
});
