// Protects: the printed administrator policy is enough for plan, up, status and down, and reaches no other stack.
import { SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import { AssociateAddressCommand, DescribeAddressesCommand, RunInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateBucketCommand, CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { randomId } from '../../src/lib/id.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { othersIn } from '../support/grid/leftovers.ts';
import { actionsOf, allows, type Call, callsOf, idleGrants } from '../support/iam.ts';
import { startTlsFront } from '../support/servers/proxies.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';
import { until } from '../support/until.ts';
import { StackWorkspace } from './stack-workspace.ts';
import { changeStack, policyOfAll, STRANGER } from './strangers.ts';

describe("the administrator's policy", () => {
  const simpledb = forSuite(() => startSimpleDb());
  const cloud = forSuite(() => startCloud({ simpledb: simpledb.url, pace: { second: 20 }, facts: true }));
  const front = forSuite(() => startTlsFront(cloud.url));
  const strangers = forSuite(() => othersIn(cloud));
  const workspace = forSuite(
    () => new StackWorkspace(cloud, { AWS_ENDPOINT_URL_S3: front.url, AWS_CA_BUNDLE: front.ca }),
  );
  let calls: readonly Call[];
  let policy: PolicyDocument;

  before(async () => {
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
    const { ec2, scaling, s3 } = strangers;
    const permissionsBoundary = await policyOfAll(strangers, 'boundary');
    const other = await policyOfAll(strangers, 'other');
    const profile = {
      ledger: { kind: 'simpledb', domains: 2 },
      iam: { permissionsBoundary },
      manager: { allow: ['203.0.113.0/24'] },
    };
    workspace.configure(profile);
    const { stack } = workspace;
    await workspace.answer(['infra', 'plan']);
    await workspace.up();
    await workspace.answer(['infra', 'status']);
    await changeStack(strangers, stack, other);
    const AutoScalingGroupName = `${stack}-default`;
    const groups = { default: { visibility: '90s', instances: ['m7g.large'] }, gpu: { instances: ['g5.xlarge'] } };
    workspace.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    await workspace.answer(['infra', 'status'], 11);
    await workspace.up();
    // Enough versions of a template that the first ones are deleted.
    for (const disk of ['31GB', '32GB', '33GB', '34GB', '35GB']) {
      workspace.configure({ ...profile, groups: { ...groups, gpu: { ...groups.gpu, disk } } }, stack);
      await workspace.up('--only', 'grid');
    }
    // Something runs, and something is stored.
    await scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 1 }));
    await until('an instance is in service', () =>
      cloud.grid.instances().some(({ group, state }) => group === AutoScalingGroupName && state === 'InService'),
    );
    // A person has borrowed the address.
    const theirs = await ec2.send(new RunInstancesCommand({ ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1 }));
    const InstanceId = theirs.Instances?.[0]?.InstanceId;
    const { Addresses: [{ AllocationId } = {}] = [] } = await ec2.send(new DescribeAddressesCommand({}));
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    await s3.send(new PutObjectCommand({ Bucket: stack, Key: 'data/one', Body: 'one' }));
    await s3.send(new CreateMultipartUploadCommand({ Bucket: stack, Key: 'data/two' }));
    workspace.configure({ ...profile, groups, network: { publicIp: false } }, stack);
    await workspace.answer(['infra', 'plan'], 3);
    // One domain fewer than exist.
    const ledger = { kind: 'simpledb', domains: 1 };
    workspace.configure({ ...profile, groups, ledger, tags: { team: 'claims' } }, stack);
    await workspace.down('--delete-data', '--timeout', '1s');
    // The original configuration again.
    workspace.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    const { stdout } = await workspace.run(['infra', 'policies', '--for', 'admin']);
    policy = JSON.parse(stdout);
    const asked = cloud.takeCalls().filter(({ accessKeyId }) => accessKeyId !== STRANGER);
    const asking = { account: cloud.account, stack, boundary: permissionsBoundary };
    calls = asked.flatMap((call) => callsOf(call, asking));
  });

  it('allows everything that plan, up, status and down request', () => {
    expect(calls.filter((call) => !allows(policy, call))).to.deep.equal([]);
    expect(calls.length).to.be.above(200);
  });

  it('allows no action that none of them requested', () => {
    expect(idleGrants(policy, calls)).to.deep.equal([]);
  });

  it("may not tag a group of another stack, even if its name begins with this one's", () => {
    const group = (name: string, context: Readonly<Record<string, string>>): Call => ({
      action: 'autoscaling:CreateOrUpdateTags',
      resource: `arn:aws:autoscaling:us-east-1:${cloud.account}:autoScalingGroup:1:autoScalingGroupName/${name}`,
      context,
    });
    const { stack } = workspace;
    const ofStack = (name: string) => ({ 'aws:ResourceTag/batchctl:stack': name });
    expect(allows(policy, group(`${stack}-default`, {}))).to.equal(true);
    expect(allows(policy, group(`${stack}-default`, ofStack(stack)))).to.equal(true);
    expect(allows(policy, group(`${stack}-2-default`, ofStack(`${stack}-2`)))).to.equal(false);
  });

  it('may delete only release files from an existing bucket without a prefix', async () => {
    const Bucket = `theirs-${randomId(6)}`;
    await strangers.s3.send(new CreateBucketCommand({ Bucket }));
    workspace.write('setup.sh', 'true\n');
    const groups = { default: { instances: ['c7g.large'], setup: 'setup.sh' } };
    workspace.configure({ bucket: { name: Bucket, existing: true }, groups });
    cloud.takeCalls();
    await workspace.up();
    await workspace.down('--delete-data', '--timeout', '1s');
    const own = cloud.takeCalls().flatMap((call) => callsOf(call, { account: cloud.account, stack: workspace.stack }));
    const { stdout } = await workspace.run(['infra', 'policies', '--for', 'admin']);
    const document: PolicyDocument = JSON.parse(stdout);
    expect(own.filter((call) => !allows(document, call))).to.deep.equal([]);
    const deleted = own.filter(({ action }) => action === 's3:DeleteObject').map(({ resource }) => resource);
    expect(
      deleted.filter((resource) => /releases\/(0000.json|[0-9a-f]{64}.tar.gz|setup-)/.test(resource)),
    ).to.have.length(3);
    const may = (action: string, key: string): boolean =>
      allows(document, { action, resource: `arn:aws:s3:::${Bucket}/${key}`, context: {} });
    for (const theirs of ['data/one', 'jobs/one', 'releases/app-1.2.tar.gz', 'releases/notes.json']) {
      for (const action of ['s3:DeleteObject', 's3:PutObject']) expect(may(action, theirs), theirs).to.equal(false);
    }
    expect(actionsOf(document)).not.to.include.oneOf(['s3:DeleteObjectVersion', 's3:AbortMultipartUpload']);
  });

  it('allows checking whether a key admits Auto Scaling, and using it', async () => {
    const credentials = { accessKeyId: STRANGER, secretAccessKey: 's' };
    const kms = new KMSClient({ region: 'us-east-1', endpoint: cloud.url, credentials });
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    kms.destroy();
    workspace.configure({ kmsKey: KeyMetadata?.Arn });
    cloud.takeCalls();
    const { stderr } = await workspace.here('infra', 'plan', '--only', 'grid');
    expect(stderr).to.include('does not allow Auto Scaling');
    const { stdout } = await workspace.run(['infra', 'policies', '--for', 'admin']);
    const document: PolicyDocument = JSON.parse(stdout);
    const asking = { account: cloud.account, stack: workspace.stack };
    const asked = cloud.takeCalls().flatMap((call) => callsOf(call, asking));
    const ofKey = asked.filter(({ action }) => action.startsWith('kms:') && action !== 'kms:CreateKey');
    expect(ofKey.filter((call) => !allows(document, call))).to.deep.equal([]);
    const look = ['kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:ListGrants'];
    expect([...new Set(ofKey.map(({ action }) => action))].sort()).to.deep.equal(look);
    expect(actionsOf(document).filter((action) => action.startsWith('kms:'))).to.have.members([
      ...look,
      ...['kms:Decrypt', 'kms:GenerateDataKey'],
    ]);
  });
});
