// Protects: a request that AWS would reject fails the test that made it, whichever process made it.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { KEYS } from './aws-keys.ts';
import { departures, readModel } from './aws-model.mjs';
import { installed } from './run/lacking.ts';
import { until } from './until.ts';
import { Workspace } from './workspace.ts';

const TAGS = [{ Key: 'CostCenter', Value: '4711' }];
const TRUST = { RoleName: 'prod-worker', AssumeRolePolicyDocument: '{}' };

type Case = readonly [service: string, operation: string, input: unknown, violations: readonly (string | RegExp)[]];

const CASES: readonly Case[] = [
  ['iam', 'CreateRole', { ...TRUST, Tags: TAGS }, []],
  ['iam', 'CreateRole', { RoleName: 'prod-worker' }, ['the request has no AssumeRolePolicyDocument']],
  ['iam', 'CreateRole', { ...TRUST, RoleName: undefined }, ['the request has no RoleName']],
  ['iam', 'CreateRole', { ...TRUST, Team: 'x' }, ["the request has a field Team that AWS doesn't know"]],
  ['iam', 'CreateRole', { ...TRUST, RoleName: 'a/b' }, [/^RoleName is "a\/b", expected \[/]],
  ['iam', 'CreateRole', { ...TRUST, RoleName: 'r'.repeat(65) }, ['RoleName has 65 characters, expected 1 to 64']],
  ['iam', 'CreateRole', { ...TRUST, Tags: TAGS[0] }, [/^Tags is \{.*\}, expected a list$/]],
  ['iam', 'CreateRole', { ...TRUST, Tags: [{ Key: 'größe' }] }, ['Tags[0] has no Value']],
  ['iam', 'CreateRole', { ...TRUST, Tags: [{ Key: 'a*b', Value: '' }] }, [/^Tags\[0\]\.Key is "a\*b", expected /]],
  ['iam', 'CreateRole', { ...TRUST, MaxSessionDuration: 60 }, ['MaxSessionDuration is 60, expected 3600 to 43200']],
  ['iam', 'MakeRole', TRUST, ['there is no MakeRole']],
  ['s3', 'PutObject', { Bucket: 'b', Key: 'k', Metadata: { a: 1 } }, ['Metadata.a is 1, expected text']],
  ['s3', 'PutObject', { Bucket: 'b', Key: '', Body: 'x' }, ['Key has 0 characters, expected 1 to Infinity']],
  [
    's3',
    'PutObject',
    { Bucket: 'b', Key: 'k', StorageClass: 'COLD' },
    [`StorageClass is "COLD", which AWS doesn't know`],
  ],
  [
    's3',
    'GetObject',
    { Bucket: 'b', Key: 'k', IfModifiedSince: 'today' },
    ['IfModifiedSince is "today", expected a time'],
  ],
  ['s3', 'GetObject', { Bucket: 'b', Key: 'k', PartNumber: 1.5 }, ['PartNumber is 1.5, expected an integer']],
  ['ec2', 'DescribeImages', { DryRun: 'yes' }, ['DryRun is "yes", expected a boolean']],
  ['kms', 'Encrypt', { KeyId: 'k', Plaintext: new Uint8Array(5000) }, ['Plaintext has 5000 bytes, expected 1 to 4096']],
  ['sqs', 'SendMessage', { QueueUrl: 'u', MessageBody: {} }, ['MessageBody is {}, expected text']],
  ['sqs', 'SendMessage', null, ['the request is null, expected fields']],
];

describe("AWS's models of requests", () => {
  before(() => installed('python3-moto'));

  it('find violations', () => {
    for (const [service, operation, input, wanted] of CASES) {
      const found = departures(readModel(service), operation, input);
      expect(found, JSON.stringify(input)).to.have.length(wanted.length);
      for (const [at, each] of wanted.entries())
        expect(found[at]).to.match(each instanceof RegExp ? each : exactly(each));
    }
  });

  it('check each request of this process', async () => {
    const { BATCHCTL_TEST_AWS_DEPARTURES: file = '' } = process.env;
    /** Removes the violations from the file, because here they are expected. */
    const takeViolations = (): string => {
      const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
      rmSync(file, { force: true });
      return text;
    };
    const clients = new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints: { sqs: NOWHERE } });
    const [{ ListQueuesCommand }, client] = await Promise.all([import('@aws-sdk/client-sqs'), clients.sqs('probe')]);
    await client.send(new ListQueuesCommand({ MaxResults: 0.5 })).catch(() => undefined);
    await clients.close();
    expect(takeViolations()).to.equal('sqs ListQueues: MaxResults is 0.5, expected an integer\n');
  });

  it('check the requests of a process of the program', async () => {
    const here = new Workspace();
    try {
      const lab = { backend: 'aws', region: 'us-east-1', account: '123456789012', stack: 'lab', bucket: 'lab' };
      const endpoints = { s3: NOWHERE, sqs: NOWHERE };
      here.write('batchctl.config.json', { profile: 'lab', profiles: { lab: { ...lab, endpoints } } });
      here.start(['jobs'], {
        BATCHCTL_PROFILE: 'lab',
        ...KEYS,
        BATCHCTL_TEST_AWS_DEPARTURES: here.path('departures'),
      });
      await until('it has sent a request to S3', () =>
        here.lines('aws-requests').some((kind) => kind.startsWith('s3 List')),
      );
    } finally {
      await here.remove();
    }
  });
});

/** No server answers there. */
const NOWHERE = 'http://127.0.0.1:9';

const exactly = (text: string): RegExp => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
