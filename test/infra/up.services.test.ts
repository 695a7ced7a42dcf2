// Protects: infra up creates the bucket, queues and ledger once, and never changes what someone else created.
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { STACK_TAG } from '../../src/lib/stack-names.ts';
import { ACCOUNT } from '../support/aws-workspace.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { clientConfig } from '../support/grid/account-clients.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { until } from '../support/until.ts';
import { type Line, StackWorkspace } from './stack-workspace.ts';

/** The data part needs no other permissions. */
const DATA = ['--only', 'data'];

describe('infra up of the data part', () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  const toS3 = forSuite(() => FaultProxy.start(moto.url));
  const toSqs = forSuite(() => FaultProxy.start(fauxqs.url));
  const s3 = forSuite(() => new S3({ ...clientConfig(moto), forcePathStyle: true }));
  const sqs = forSuite(() => new SQS(clientConfig(fauxqs)));
  const workspace = forEachTest(() => new StackWorkspace({ account: ACCOUNT }));
  let stack: string;

  beforeEach(() => configure());
  afterEach(() => heal());

  /** Configures a new stack. */
  function configure(profileOf: (stack: string) => object = () => ({})): void {
    stack = `up-${randomId(6)}`;
    const endpoints = { s3: toS3.url, sqs: toSqs.url, sts: moto.url };
    const groups = { default: { visibility: '60s' }, gpu: { visibility: '90s' } };
    workspace.configure({ endpoints, groups, ...profileOf(stack) }, stack);
  }
  /** Configures a new stack in an existing bucket. */
  async function configureExisting(): Promise<void> {
    configure((name) => ({ bucket: { name, existing: true, prefix: 'ours/' } }));
    await s3.createBucket({ Bucket: stack });
  }
  const heal = (): void => {
    toS3.heal();
    toSqs.heal();
  };
  const changes = (): number => toS3.count(isChange) + toSqs.count(isChange);
  const plan = () => workspace.answer(['infra', 'plan', ...DATA]);
  const up = () => workspace.up(...DATA);
  const refusedUp = () => workspace.run(['infra', 'up', '--yes', ...DATA]);
  const expectActions = (lines: readonly Line[], action: string, label = ''): void => {
    expect(
      lines.map((line) => line.action),
      label,
    ).to.deep.equal(Array(5).fill(action));
  };

  it("creates what a profile needs, passes doctor's checks, and then changes nothing", async () => {
    expectActions(await plan(), 'create');
    const created = await up();
    expect(created.map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal([
      `bucket ${stack}`,
      `queue ${stack}-default-dead`,
      `queue ${stack}-default`,
      `queue ${stack}-gpu-dead`,
      `queue ${stack}-gpu`,
    ]);
    expectActions(await up(), 'keep');
    const { PublicAccessBlockConfiguration: block } = await s3.getPublicAccessBlock({ Bucket: stack });
    expect(Object.values(block ?? {})).to.deep.equal([true, true, true, true]);
    const checks = await workspace.answer<{ readonly severity: string }>(['doctor']);
    expect(checks.filter(({ severity }) => severity !== 'pass')).to.deep.equal([]);
  });

  it('changes nothing without consent: --dry-run, no terminal and no --yes', async () => {
    await workspace.runSuccessfully('infra', 'up', '--dry-run', ...DATA);
    expect(await workspace.run(['infra', 'up', ...DATA])).to.include({ code: 7 });
    expectActions(await plan(), 'create');
  });

  it('continues after a kill at any call that changes something', async () => {
    await up();
    const all = changes();
    expect(all).to.be.within(8, 20);
    for (let call = 1; call <= all; call += 1) {
      heal();
      configure();
      // The next change is delayed: the servers have received this one, but not the next.
      let seen = 0;
      for (const proxy of [toS3, toSqs]) {
        proxy.fail(1, { kind: 'late', ms: 60_000 }, (request) => isChange(request) && ++seen === call + 1);
      }
      const { child, ended } = workspace.start(['infra', 'up', '--yes', ...DATA]);
      await until('the call was made', () => changes() > call || child.exitCode !== null);
      child.kill('SIGKILL');
      await ended;
      heal();
      await up();
      expectActions(await plan(), 'keep', `killed after call ${call}`);
    }
  });

  it('leaves an existing bucket unchanged, and says what it lacks and how to fix it', async () => {
    await configureExisting();
    await s3.putObject({ Bucket: stack, Key: 'theirs', Body: 'data' });
    const rule = { ID: 'theirs', Status: 'Enabled', Filter: { Prefix: 'theirs' }, Expiration: { Days: 9 } } as const;
    const Bucket = stack;
    await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules: [rule] } });
    const TagSet = [{ Key: 'team', Value: 'theirs' }];
    await s3.putBucketTagging({ Bucket, Tagging: { TagSet } });
    const bucketState = async (): Promise<unknown> => {
      const { Rules } = await s3.getBucketLifecycleConfiguration({ Bucket });
      const { TagSet: tags } = await s3.getBucketTagging({ Bucket });
      const policy = await s3.getBucketPolicy({ Bucket }).catch((error: Error) => error.name);
      return { Rules, tags, policy };
    };
    const before = await bucketState();
    const { code, stdout, stderr } = await workspace.run(['infra', 'up', '--yes', ...DATA]);
    expect({ code, stderr: stderr.includes('warning') }).to.deep.equal({ code: 0, stderr: true });
    expect(stdout).to.match(new RegExp(`bucket +${stack} +keep`));
    expect(stderr).to.include('public access is not blocked').and.include('aws s3api put-public-access-block --bucket');
    expect(stderr).to.include('no rule removes leftovers of unfinished uploads');
    expect(await bucketState()).to.deep.equal(before);
  });

  it('is not stopped by an existing bucket whose settings it may not read, and reports each', async () => {
    await configureExisting();
    const denied = { kind: 'answer', status: 403, code: 'AccessDenied' } as const;
    toS3.fail(Number.POSITIVE_INFINITY, denied, ({ url }) => /[?&](encryption|lifecycle)/.test(url));
    const [bucket] = await plan();
    expect(bucket).to.include({ kind: 'bucket', action: 'keep' });
    expect(bucket?.lacks.map(({ what }) => what).sort()).to.deep.equal([
      'public access is not blocked',
      "s3:GetEncryptionConfiguration is denied, so it can't be checked whether objects are encrypted by default",
      "s3:GetLifecycleConfiguration is denied, so it can't be checked whether leftovers of unfinished uploads are removed",
    ]);
  });

  it('refuses a bucket that someone else created', async () => {
    await s3.createBucket({ Bucket: stack });
    await s3.putObject({ Bucket: stack, Key: 'theirs', Body: 'data' });
    const refused = await refusedUp();
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include('was not made by batchctl').and.include('"existing": true');
    expect(changes()).to.equal(0);
  });

  it('refuses a queue that someone else created with other settings', async () => {
    const Attributes = { VisibilityTimeout: '5' };
    await sqs.createQueue({ QueueName: `${stack}-gpu`, Attributes });
    const refused = await refusedUp();
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(`the queue ${stack}-gpu`).and.include('VisibilityTimeout 5 → 90');
    expect(changes()).to.equal(0);
  });

  it("refuses another stack's queue of the same name, even with the right settings", async () => {
    await up();
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName: `${stack}-gpu` });
    // The same name results for a stack `a-b` with a group `c`, and for a stack `a` with a group `b-c`.
    await sqs.tagQueue({ QueueUrl, Tags: { [STACK_TAG]: `${stack}-g` } });
    const refused = await refusedUp();
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(`the queue ${stack}-gpu exists, and belongs to the stack ${stack}-g`);
  });

  it('does not create a bucket that the configuration declares as existing', async () => {
    configure((name) => ({ bucket: { name, existing: true } }));
    const missing = await refusedUp();
    expect(missing.code).to.equal(4);
    expect(missing.stderr).to.include(`the bucket ${stack} exists, but it does not`);
    expect(changes()).to.equal(0);
  });

  it('repairs its own resources after a change by hand', async () => {
    await up();
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName: `${stack}-gpu` });
    await sqs.setQueueAttributes({ QueueUrl, Attributes: { VisibilityTimeout: '5' } });
    expect((await plan()).filter(({ action }) => action !== 'keep')).to.deep.equal([
      {
        part: 'data',
        kind: 'queue',
        name: `${stack}-gpu`,
        action: 'change',
        notes: [],
        lacks: [],
        changes: ['VisibilityTimeout 5 → 90'],
      },
    ]);
    await up();
    expectActions(await plan(), 'keep');
  });

  it('leaves the maximum message size to the service: 256 KiB or 1 MiB, configured or not', async () => {
    // moto accepts 256 KiB, as SQS did until August 2025.
    configure(() => ({ endpoints: { s3: moto.url, sqs: moto.url, sts: moto.url } }));
    expectActions(await up(), 'create');
    expectActions(await plan(), 'keep');
    configure();
    expectActions(await up(), 'create');
    const { QueueUrl } = await sqs.getQueueUrl({ QueueName: `${stack}-gpu` });
    for (const MaximumMessageSize of ['262144', '1048576']) {
      await sqs.setQueueAttributes({ QueueUrl, Attributes: { MaximumMessageSize } });
      expectActions(await plan(), 'keep', MaximumMessageSize);
    }
  });

  it('is refused for a local profile, which needs no infrastructure', async () => {
    const { code, stderr } = await workspace.run(['infra', 'plan', '--profile', 'local', ...DATA]);
    expect(code).to.equal(3);
    expect(stderr).to.include('needs no infrastructure');
  });
});

/** A request that creates or changes something. */
function isChange({ method, headers }: { method: string; headers: Readonly<Record<string, unknown>> }): boolean {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return /Create|Set|Tag(?!s)/.test(target) && !/List|Get/.test(target);
  return method === 'PUT';
}
