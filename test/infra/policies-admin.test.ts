import { AutoScalingClient, DeleteLifecycleHookCommand, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import {
  AssociateAddressCommand,
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  DescribeAddressesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  RevokeSecurityGroupEgressCommand,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  IAMClient,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateMultipartUploadCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { roleName } from '../../src/lib/stack-names.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { actionsOf, allows, type Call, callsOf, without } from '../support/iam.ts';
import { type SimpleDbServer, startSimpleDb } from '../support/servers/simpledb-server.ts';
import { until } from '../support/until.ts';
import { StackDesk } from './stack-desk.ts';

/** Not asked for here: over plain HTTP the policy that asks for TLS is left out. */
const ONLY_WITH_TLS = ['s3:GetBucketPolicy', 's3:PutBucketPolicy'];

describe("the administrator's policy", function () {
  this.timeout(120_000);
  let cloud: Cloud;
  let simpledb: SimpleDbServer;
  let desk: StackDesk;
  let calls: readonly Call[];
  let policy: PolicyDocument;

  before(async () => {
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
    simpledb = await startSimpleDb();
    cloud = await startCloud({ simpledb: simpledb.url, pace: { second: 20 } });
    desk = new StackDesk(cloud);
    const at = {
      region: 'us-east-1',
      endpoint: cloud.url,
      credentials: { accessKeyId: 'AKIDOTHER', secretAccessKey: 's' },
    };
    const [iam, ec2, scaling] = [new IAMClient(at), new EC2Client(at), new AutoScalingClient(at)];
    const s3 = new S3Client({ ...at, forcePathStyle: true });
    const document = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
    });
    const made = async (PolicyName: string): Promise<string> =>
      (await iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument: document }))).Policy?.Arn ?? '';
    const [permissionsBoundary, other] = await Promise.all([made('boundary'), made('other')]);
    const profile = {
      ledger: { kind: 'simpledb', domains: 2 },
      iam: { permissionsBoundary },
      manager: { allow: ['203.0.113.0/24'] },
    };
    desk.configure(profile);
    const { stack } = desk;
    await desk.answer(['infra', 'plan']);
    await desk.up();
    await desk.answer(['infra', 'status']);
    // What others do to it.
    const RoleName = roleName(stack, 'worker');
    const trust = document.replace('"Action":"*","Resource":"*"', '"Action":"sts:AssumeRole","Principal":{"AWS":"*"}');
    await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
    await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: other }));
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'batchctl', PolicyDocument: document }));
    await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: other }));
    const GroupNames = [RoleName];
    const Filters = [{ Name: 'group-name', Values: GroupNames }];
    const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({ Filters }));
    const GroupId = SecurityGroups[0]?.GroupId;
    const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }];
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    const all = SecurityGroups[0]?.IpPermissionsEgress ?? [];
    await ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }));
    await ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions }));
    const AutoScalingGroupName = `${stack}-default`;
    const LifecycleHookName = 'batchctl-drain';
    await scaling.send(new DeleteLifecycleHookCommand({ AutoScalingGroupName, LifecycleHookName }));
    const groups = { default: { visibility: '90s', instances: ['m7g.large'] }, gpu: { instances: ['g5.xlarge'] } };
    desk.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    await desk.answer(['infra', 'status'], 11);
    await desk.up();
    // So many versions of a template that the first ones go.
    for (const disk of ['31GB', '32GB', '33GB', '34GB', '35GB']) {
      desk.configure({ ...profile, groups: { ...groups, gpu: { ...groups.gpu, disk } } }, stack);
      await desk.up('--only', 'grid');
    }
    // Something runs, and something is stored.
    await scaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 1 }));
    await until('an instance is in service', () =>
      cloud.grid.instances().some(({ group, state }) => group === AutoScalingGroupName && state === 'InService'),
    );
    // A person has the address borrowed.
    const theirs = await ec2.send(new RunInstancesCommand({ ImageId: 'ami-12c6146b', MinCount: 1, MaxCount: 1 }));
    const InstanceId = theirs.Instances?.[0]?.InstanceId;
    const { Addresses: [{ AllocationId } = {}] = [] } = await ec2.send(new DescribeAddressesCommand({}));
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId }));
    await s3.send(new PutObjectCommand({ Bucket: stack, Key: 'data/one', Body: 'one' }));
    await s3.send(new CreateMultipartUploadCommand({ Bucket: stack, Key: 'data/two' }));
    desk.configure({ ...profile, groups, network: { publicIp: false } }, stack);
    await desk.answer(['infra', 'plan'], 3);
    desk.configure({ ...profile, groups, tags: { team: 'claims' } }, stack);
    await desk.down('--delete-data', '--timeout', '1s');
    const { stdout } = await desk.run(['infra', 'policies', '--for', 'admin']);
    policy = JSON.parse(stdout);
    const asked = cloud.takeCalls().filter(({ accessKeyId }) => accessKeyId !== 'AKIDOTHER');
    const asking = { account: cloud.account, stack, boundary: permissionsBoundary };
    calls = asked.flatMap((call) => callsOf(call, asking));
    for (const client of [iam, ec2, scaling, s3]) client.destroy();
  });
  after(async () => {
    await desk?.remove();
    await cloud?.close();
    await simpledb?.close();
  });

  it('allows all that plan, up, status and down ask for', () => {
    expect(calls.filter((call) => !allows(policy, call))).to.deep.equal([]);
    expect(calls.length).to.be.above(200);
  });

  it('allows no action that none of them asked for', () => {
    const idle = actionsOf(policy).filter((action) => {
      const less = without(policy, action);
      return calls.every((call) => allows(less, call) || !allows(policy, call));
    });
    expect(idle).to.deep.equal(ONLY_WITH_TLS);
  });

  it("tags no group of another stack, whose name may begin as this one's", () => {
    const group = (name: string, context: Readonly<Record<string, string>>): Call => ({
      action: 'autoscaling:CreateOrUpdateTags',
      resource: `arn:aws:autoscaling:us-east-1:${cloud.account}:autoScalingGroup:1:autoScalingGroupName/${name}`,
      context,
    });
    const { stack } = desk;
    const ofStack = (name: string) => ({ 'aws:ResourceTag/batchctl:stack': name });
    expect(allows(policy, group(`${stack}-default`, {}))).to.equal(true);
    expect(allows(policy, group(`${stack}-default`, ofStack(stack)))).to.equal(true);
    expect(allows(policy, group(`${stack}-2-default`, ofStack(`${stack}-2`)))).to.equal(false);
  });

  it('lets one see whether a key admits Auto Scaling, and use it', async () => {
    const credentials = { accessKeyId: 'AKIDOTHER', secretAccessKey: 's' };
    const kms = new KMSClient({ region: 'us-east-1', endpoint: cloud.url, credentials });
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    kms.destroy();
    desk.configure({ kmsKey: KeyMetadata?.Arn });
    cloud.takeCalls();
    const { stderr } = await desk.here('infra', 'plan', '--only', 'grid');
    expect(stderr).to.include("doesn't admit Auto Scaling");
    const { stdout } = await desk.run(['infra', 'policies', '--for', 'admin']);
    const document: PolicyDocument = JSON.parse(stdout);
    const asking = { account: cloud.account, stack: desk.stack };
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
