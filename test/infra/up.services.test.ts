// Protects: infra up creates the bucket, queues and ledger once, and never changes what someone else created.
import { once } from 'node:events';
import {
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetPublicAccessBlockCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  SQSClient,
  TagQueueCommand,
} from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { runCli } from '../cli/fake-io.ts';
import { CREDENTIALS, KEYS } from '../support/aws-keys.ts';
import { ACCOUNT } from '../support/aws-workspace.ts';
import { forSuite } from '../support/fixture.ts';
import { FaultProxy } from '../support/servers/fault-proxy.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { until } from '../support/until.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const ENV = {
  BATCHCTL_PROFILE: 'lab',
  ...KEYS,
};

/** Its commands run in this process, unless one is to be killed. */
class Here extends Workspace {
  protected override environmentOf(): typeof ENV {
    return ENV;
  }
}

/** Someone who may create only data requests nothing else. */
const DATA = ['--only', 'data'];

interface Line {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
  readonly changes: readonly string[];
  readonly lacks: readonly { readonly what: string; readonly mend: string }[];
}

describe('infra up of the data part', () => {
  const moto = forSuite(() => sharedMoto());
  const fauxqs = forSuite(() => sharedFauxqs());
  let toS3: FaultProxy;
  let toSqs: FaultProxy;
  let s3: S3Client;
  let sqs: SQSClient;
  let here: Here;
  let stack: string;

  before(async () => {
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
    [toS3, toSqs] = await Promise.all([FaultProxy.start(moto.url), FaultProxy.start(fauxqs.url)]);
    const client = { region: 'us-east-1', credentials: CREDENTIALS };
    s3 = new S3Client({ ...client, endpoint: moto.url, forcePathStyle: true });
    sqs = new SQSClient({ ...client, endpoint: fauxqs.url });
  });
  after(async () => {
    s3?.destroy();
    sqs?.destroy();
    await Promise.all([toS3?.close(), toSqs?.close()]);
  });
  beforeEach(() => {
    here = new Here();
    stack = `up-${randomId(6)}`;
    configure({});
  });
  afterEach(async () => {
    heal();
    await here.remove();
  });

  function configure(profile: object): void {
    const lab = {
      ...{ backend: 'aws', region: 'us-east-1', account: ACCOUNT, stack, bucket: stack },
      endpoints: { s3: toS3.url, sqs: toSqs.url, sts: moto.url },
      groups: { default: { visibility: '60s' }, gpu: { visibility: '90s' } },
    };
    here.write('batchctl.config.json', { profile: 'lab', profiles: { lab: { ...lab, ...profile } } });
  }
  const heal = (): void => {
    toS3.heal();
    toSqs.heal();
  };
  const changes = (): number => toS3.count(isChange) + toSqs.count(isChange);
  const run = (...args: readonly string[]): Promise<Ended> => here.run(args[0] === 'infra' ? [...args, ...DATA] : args);
  const lines = async (...args: readonly string[]): Promise<readonly Line[]> => {
    const { code, stdout, stderr } = await run(...args, '--json');
    expect(code, stderr).to.equal(0);
    return stdout
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line));
  };
  const actions = (found: readonly Line[]): readonly string[] => found.map(({ action }) => action);

  it("creates what a profile needs, passes doctor's checks, and then changes nothing", async () => {
    expect(actions(await lines('infra', 'plan'))).to.deep.equal(Array(5).fill('create'));
    const made = await lines('infra', 'up', '--yes');
    expect(made.map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal([
      `bucket ${stack}`,
      ...[`queue ${stack}-default-dead`, `queue ${stack}-default`],
      ...[`queue ${stack}-gpu-dead`, `queue ${stack}-gpu`],
    ]);
    expect(actions(await lines('infra', 'up', '--yes'))).to.deep.equal(Array(5).fill('keep'));
    const { PublicAccessBlockConfiguration: block } = await s3.send(new GetPublicAccessBlockCommand({ Bucket: stack }));
    expect(Object.values(block ?? {})).to.deep.equal([true, true, true, true]);
    const faults = (await lines('doctor')).filter((line) => !('status' in line) || line.status !== 'pass');
    expect(faults).to.deep.equal([]);
  });

  it('changes nothing without consent: --dry-run, no terminal and no --yes', async () => {
    expect((await run('infra', 'up', '--dry-run')).code).to.equal(0);
    expect(await run('infra', 'up')).to.include({ code: 7 });
    expect(actions(await lines('infra', 'plan'))).to.deep.equal(Array(5).fill('create'));
  });

  it('continues after a kill at any call that changes something', async () => {
    await lines('infra', 'up', '--yes');
    const all = changes();
    expect(all).to.be.within(8, 20);
    for (let call = 1; call <= all; call += 1) {
      heal();
      stack = `up-${randomId(6)}`;
      configure({});
      // The next request is held up: the server has received this one, but not that one.
      let seen = 0;
      for (const proxy of [toS3, toSqs]) {
        proxy.fail(1, { kind: 'late', ms: 60_000 }, (request) => isChange(request) && ++seen === call + 1);
      }
      const up = here.start(['infra', 'up', '--yes', ...DATA]);
      const ended = once(up.child, 'close');
      await until('the call was made', () => changes() > call || up.child.exitCode !== null);
      up.child.kill('SIGKILL');
      await ended;
      heal();
      await lines('infra', 'up', '--yes');
      expect(actions(await lines('infra', 'plan')), `killed after call ${call}`).to.deep.equal(Array(5).fill('keep'));
    }
  });

  it('leaves an existing bucket unchanged, and says what it lacks and how to fix it', async () => {
    configure({ bucket: { name: stack, existing: true, prefix: 'ours/' } });
    await fetch(`${moto.url}/${stack}`, { method: 'PUT' });
    await s3.send(new PutObjectCommand({ Bucket: stack, Key: 'theirs', Body: 'data' }));
    const rule = { ID: 'theirs', Status: 'Enabled', Filter: { Prefix: 'theirs' }, Expiration: { Days: 9 } } as const;
    const Bucket = stack;
    await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }));
    const TagSet = [{ Key: 'team', Value: 'theirs' }];
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    const asItIs = async (): Promise<unknown> => {
      const { Rules } = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
      const { TagSet: tags } = await s3.send(new GetBucketTaggingCommand({ Bucket }));
      const policy = await s3.send(new GetBucketPolicyCommand({ Bucket })).catch((error: Error) => error.name);
      return { Rules, tags, policy };
    };
    const before = await asItIs();
    const { code, stdout, stderr } = await run('infra', 'up', '--yes');
    expect({ code, stderr: stderr.includes('warning') }).to.deep.equal({ code: 0, stderr: true });
    expect(stdout).to.match(new RegExp(`bucket +${stack} +keep`));
    expect(stderr).to.include('public access is not blocked').and.include('aws s3api put-public-access-block --bucket');
    expect(stderr).to.include('no rule removes leftovers of unfinished uploads');
    expect(await asItIs()).to.deep.equal(before);
  });

  it('is not stopped by an existing bucket whose settings it may not read, and reports each', async () => {
    configure({ bucket: { name: stack, existing: true, prefix: 'ours/' } });
    await fetch(`${moto.url}/${stack}`, { method: 'PUT' });
    const denied = { kind: 'answer', status: 403, code: 'AccessDenied' } as const;
    toS3.fail(Number.POSITIVE_INFINITY, denied, ({ url }) => /[?&](encryption|lifecycle)/.test(url));
    const [bucket] = await lines('infra', 'plan');
    expect(bucket).to.include({ kind: 'bucket', action: 'keep' });
    expect(bucket?.lacks.map(({ what }) => what).sort()).to.deep.equal([
      'public access is not blocked',
      "s3:GetEncryptionConfiguration is denied, so it can't be checked whether objects are encrypted by default",
      "s3:GetLifecycleConfiguration is denied, so it can't be checked whether leftovers of unfinished uploads are removed",
    ]);
  });

  it('refuses a bucket that someone else created', async () => {
    await fetch(`${moto.url}/${stack}`, { method: 'PUT' });
    await s3.send(new PutObjectCommand({ Bucket: stack, Key: 'theirs', Body: 'data' }));
    const refused = await run('infra', 'up', '--yes');
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include('was not made by batchctl').and.include('"existing": true');
    expect(changes()).to.equal(0);
  });

  it('refuses a queue that someone else created with other settings', async () => {
    const Attributes = { VisibilityTimeout: '5' };
    await sqs.send(new CreateQueueCommand({ QueueName: `${stack}-gpu`, Attributes }));
    const refused = await run('infra', 'up', '--yes');
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(`the queue ${stack}-gpu`).and.include('VisibilityTimeout 5 → 90');
    expect(changes()).to.equal(0);
  });

  it("refuses another stack's queue of the same name, even with the right settings", async () => {
    await lines('infra', 'up', '--yes');
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `${stack}-gpu` }));
    // The same name arises for a stack `a-b` with a group `c`, and for a stack `a` with a group `b-c`.
    await sqs.send(new TagQueueCommand({ QueueUrl, Tags: { 'batchctl:stack': `${stack}-g` } }));
    const refused = await run('infra', 'up', '--yes');
    expect(refused.code).to.equal(7);
    expect(refused.stderr).to.include(`the queue ${stack}-gpu exists, and belongs to the stack ${stack}-g`);
  });

  it('does not create a bucket that the configuration declares as existing', async () => {
    configure({ bucket: { name: stack, existing: true } });
    const missing = await run('infra', 'up', '--yes');
    expect(missing.code).to.equal(4);
    expect(missing.stderr).to.include(`the bucket ${stack} exists, but it does not`);
    expect(changes()).to.equal(0);
  });

  it('repairs its own resources after a change by hand', async () => {
    await lines('infra', 'up', '--yes');
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `${stack}-gpu` }));
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '5' } }));
    const plan = await lines('infra', 'plan');
    expect(plan.filter(({ action }) => action !== 'keep')).to.deep.equal([
      {
        ...{ part: 'data', kind: 'queue', name: `${stack}-gpu`, action: 'change', notes: [], lacks: [] },
        changes: ['VisibilityTimeout 5 → 90'],
      },
    ]);
    await lines('infra', 'up', '--yes');
    expect(actions(await lines('infra', 'plan'))).to.deep.equal(Array(5).fill('keep'));
  });

  it('leaves the maximum message size to the service: 256 KiB or 1 MiB, configured or not', async () => {
    // moto accepts 256 KiB, as SQS did until August 2025.
    configure({ endpoints: { s3: moto.url, sqs: moto.url, sts: moto.url } });
    const plan = async (...args: readonly string[]): Promise<readonly string[]> => {
      Object.assign(process.env, ENV);
      const { code, stdout, stderr } = await runCli(['infra', ...args, ...DATA, '--json'], { cwd: here.dir });
      expect(code, stderr).to.equal(0);
      return actions(
        stdout
          .trim()
          .split('\n')
          .map((line): Line => JSON.parse(line)),
      );
    };
    expect(await plan('up', '--yes')).to.deep.equal(Array(5).fill('create'));
    expect(await plan('plan')).to.deep.equal(Array(5).fill('keep'));
    stack = `up-${randomId(6)}`;
    configure({});
    expect(await plan('up', '--yes')).to.deep.equal(Array(5).fill('create'));
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `${stack}-gpu` }));
    for (const MaximumMessageSize of ['262144', '1048576']) {
      await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { MaximumMessageSize } }));
      expect(await plan('plan'), MaximumMessageSize).to.deep.equal(Array(5).fill('keep'));
    }
  });

  it('is refused for a local profile, which needs no infrastructure', async () => {
    const { code, stderr } = await run('infra', 'plan', '--profile', 'local');
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
