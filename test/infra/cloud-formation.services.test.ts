// Protects: CloudFormation creates from the template what infra up creates, and every command accepts it as the stack's.
import {
  type AutoScalingClient,
  DescribeAutoScalingGroupsCommand,
  DescribeLifecycleHooksCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  DescribeAddressesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSecurityGroupsCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreatePolicyCommand,
  GetInstanceProfileCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  type IAMClient,
  RemoveRoleFromInstanceProfileCommand,
} from '@aws-sdk/client-iam';
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import {
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { ENDPOINTS } from '../../src/config/profile.ts';
import { Arns } from '../../src/infra/arns.ts';
import { tlsOnly } from '../../src/infra/bucket-settings.ts';
import { type StackTemplate, stackTemplate, templateFacts } from '../../src/infra/cloud-formation.ts';
import { gridFacts } from '../../src/infra/grid.ts';
import { takeInventory } from '../../src/infra/inventory.ts';
import type { Resource } from '../../src/infra/resource.ts';
import { fromTagList } from '../../src/infra/tags.ts';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { deadQueueName, gridName, queueName, roleName } from '../../src/lib/stack-names.ts';
import { signWithAnyKeys } from '../support/aws-keys.ts';
import { awsProfile, sampleFields } from '../support/aws-profile.ts';
import { templateMistakes } from '../support/cloud-formation.ts';
import { type Cloud, startCloud } from '../support/grid/cloud.ts';
import { down, RELEASE, stackResources, up } from '../support/grid/emulated-account.ts';
import { rejection } from '../support/rejection.ts';
import { StackWorkspace } from './stack-workspace.ts';
import { deploy } from './template-deployer.ts';

const SEED = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);
const CONFIGURATIONS = 1;
/** The emulator's CloudFormation gives a bucket's tag without a value the value "None". */
const withoutEmptyTags = (fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const tags = Object.entries((fields.tags ?? {}) as Readonly<Record<string, string>>);
  return { ...fields, tags: Object.fromEntries(tags.map(([key, value]) => [key, value === '' ? '-' : value])) };
};
const EVERYTHING = {
  ...{ manager: { allow: ['203.0.113.0/24', '::/0'] }, tags: { CostCenter: '4711', on: 'no' } },
  groups: { default: { spot: true, onDemandBase: 1, max: 7 }, gpu: { spot: false, instances: ['g5.xlarge'] } },
};

describe('a stack that CloudFormation creates from the template', () => {
  let cloud: Cloud;
  let clients: AwsClients;

  before(async () => {
    signWithAnyKeys();
    cloud = await startCloud({ sqs: 'own' });
    const { account } = cloud;
    clients = new AwsClients({ region: 'us-east-1', endpoints: endpoints(), profile: null, account });
    const iam = await clients.iam();
    const PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}';
    await iam.send(new CreatePolicyCommand({ PolicyName: 'boundary', PolicyDocument }));
  });
  after(async () => {
    await clients?.close();
    await cloud?.close();
  });

  const endpoints = () => Object.fromEntries(ENDPOINTS.map((service) => [service, cloud.url]));
  const resources = (profile: AwsProfile) => stackResources(profile, clients);
  const templateOf = async (profile: AwsProfile): Promise<StackTemplate> =>
    stackTemplate(profile, await templateFacts(profile, gridFacts({ profile, clients }), null), RELEASE, null);

  const policyOf = async ({ bucket }: AwsProfile): Promise<unknown> => {
    const s3 = await clients.s3('control');
    const { Policy = '' } = await s3.send(new GetBucketPolicyCommand({ Bucket: bucket.name }));
    return JSON.parse(Policy).Statement;
  };

  it(`has every property that infra up gives it, for any configuration (seed ${SEED})`, async () => {
    const place = { region: 'us-east-1', account: cloud.account, bucket: `t-${SEED}` };
    const every = {
      ...EVERYTHING,
      region: 'us-east-1',
      account: cloud.account,
      stack: 'every',
      bucket: `every-${SEED}`,
    };
    for (const fields of [every, ...sampleFields(CONFIGURATIONS, SEED, place).map(withoutEmptyTags)]) {
      const profile = await awsProfile({ ...fields, endpoints: endpoints() });
      await up(resources(profile));
      const byUp = await described(profile, clients);
      await down(resources(profile));
      const template = await templateOf(profile);
      expect(templateMistakes(template)).to.deep.equal([]);
      await deploy(template, cloud);
      const byTemplate = await described(profile, clients);
      expect(Object.keys(byTemplate)).to.deep.equal(Object.keys(byUp));
      for (const name of Object.keys(byUp)) expect(byTemplate[name], name).to.deep.equal(byUp[name]);
      // Over plain HTTP, as here, infra up sets no such policy (bucket-tls.services.test.ts).
      expect(await policyOf(profile)).to.deep.equal([tlsOnly(new Arns(profile).bucket)]);
      expect(await remaining(resources(profile))).to.deep.equal(expectedOf(profile));
      expect(await down(resources(profile))).to.deep.equal([]);
      expect(await takeInventory({ profile, clients })).to.deep.equal([]);
    }
  });

  it('belongs to the stack only with its own role, if an instance profile has no tags', async () => {
    const fields = {
      ...EVERYTHING,
      region: 'us-east-1',
      account: cloud.account,
      stack: 'bare',
      bucket: `bare-${SEED}`,
    };
    const profile = await awsProfile({ ...fields, endpoints: endpoints() });
    const iam = resources(profile).filter(({ part }) => part === 'iam');
    await up(iam.filter(({ kind }) => kind === 'role'));
    const look = async () => iam.find(({ kind, name }) => kind === 'profile' && name === 'bare-worker')?.look();
    const client = await clients.iam();
    const at = { InstanceProfileName: 'bare-worker' };
    await client.send(new CreateInstanceProfileCommand(at));
    await client.send(new AddRoleToInstanceProfileCommand({ ...at, RoleName: 'bare-manager' }));
    expect(await rejection(look())).to.include({ kind: 'refused' });
    await client.send(new RemoveRoleFromInstanceProfileCommand({ ...at, RoleName: 'bare-manager' }));
    expect(await rejection(look())).to.include({ kind: 'refused' });
    await client.send(new AddRoleToInstanceProfileCommand({ ...at, RoleName: 'bare-worker' }));
    expect(await look()).to.include({ state: 'asItShould' });
    expect(await down(iam)).to.deep.equal([]);
  });

  it('is printed by infra template, with the commands that deploy it and do the rest', async () => {
    const workspace = new StackWorkspace(cloud);
    try {
      workspace.configure({ manager: {} });
      const { code, stderr, lines } = await workspace.here('infra', 'template');
      expect(code, stderr).to.equal(0);
      const template = lines[0] as unknown as StackTemplate;
      expect(templateMistakes(template)).to.deep.equal([]);
      expect(template.Resources.GpuAutoScalingGroup?.DependsOn).to.deep.equal([
        ...['BucketPolicy', 'GpuDeadLetters', 'GpuQueue'],
      ]);
      const { stack } = workspace;
      const command = `aws cloudformation deploy --region us-east-1 --stack-name ${stack}`;
      expect(stderr).to.include(`${command} --template-file FILE --capabilities CAPABILITY_NAMED_IAM\n`);
      for (const group of ['default', 'gpu', 'manager']) {
        const rest = `--auto-scaling-group-name ${stack}-${group} --scaling-processes AZRebalance`;
        expect(stderr).to.include(`aws autoscaling suspend-processes --region us-east-1 ${rest}`);
      }
      expect(stderr).to.include('warning: the release that instances boot with is not in the bucket');
      const data = await workspace.run(['infra', 'template', '--only', 'data']);
      expect(data.stderr)
        .to.include(`${command}-data --template-file FILE\n`)
        .and.not.match(/suspend-processes|is not in the bucket/);
      const { Bucket, BucketPolicy, DefaultQueue } = template.Resources;
      expect(parse(data.stdout, { version: '1.1' }).Resources).to.deep.include({ Bucket, BucketPolicy, DefaultQueue });
    } finally {
      await workspace.remove();
    }
  });
});

/** The output of `infra plan` for a stack that CloudFormation created: only what no template can do. */
function expectedOf({ stack, groups, manager, ledger }: AwsProfile): readonly string[] {
  const all = [...Object.keys(groups), ...(manager === null ? [] : ['manager'])];
  const untagged = ['worker', ...(manager === null ? [] : ['manager'])];
  return [
    ...(ledger.kind === 'simpledb' ? [`domain ${stack}-0 to 1: absent`] : []),
    ...untagged.map((who) => `profile ${stack}-${who}: asItShould, it has no tags: CloudFormation sets none`),
    ...all.map((group) => `group ${stack}-${group}: differs, zones are rebalanced`),
  ];
}

async function remaining(resources: readonly Resource[]): Promise<readonly string[]> {
  const looked = await Promise.all(resources.map(async (each) => ({ each, found: await each.look() })));
  return looked.flatMap(({ each: { kind, name }, found }) => {
    const said = [
      ...(found.state === 'differs' ? [...found.differences, ...(found.newer ?? [])] : []),
      ...(found.state === 'asItShould' ? (found.notes ?? []) : []),
    ];
    const isSilent = found.state === 'asItShould' && said.length === 0;
    return isSilent ? [] : [`${kind} ${name}: ${[found.state, ...said].join(', ')}`];
  });
}

/** The settings of a resource that a person or a template chose: without ids, times and runtime state. */
type Described = Readonly<Record<string, unknown>>;

/**
 * All resources of a stack in its account, except what CloudFormation can't set: tags of instance profiles, suspended
 * processes.
 */
async function described(profile: AwsProfile, clients: AwsClients): Promise<Described> {
  const { stack, groups, manager } = profile;
  const queues = Object.keys(groups).flatMap((group) => [
    queueName(stack, group),
    deadQueueName(queueName(stack, group)),
  ]);
  const managers = manager === null ? [] : (['manager'] as const);
  const machines = [...Object.keys(groups), ...managers].map((group) => gridName(stack, group));
  const roles = (['worker', ...managers] as const).map((who) => roleName(stack, who));
  const [s3, sqs, iam, ec2, scaling] = await Promise.all([
    ...([clients.s3('control'), clients.sqs('control'), clients.iam(), clients.ec2()] as const),
    clients.autoScaling(),
  ]);
  const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({ Filters: ofStack(stack) }));
  const ids = new Map(Addresses.map(({ AllocationId = '' }) => [AllocationId, 'the address']));
  const all = [
    ['bucket', await bucket(s3, profile.bucket.name)],
    ...(await each(queues, (name) => queue(sqs, name))),
    ...(await each(roles, (name) => roleWithProfile(iam, name))),
    ...(await each(roles, (name) => securityGroup(ec2, name, ids))),
    ...(await each(machines, (name) => launchTemplate(ec2, name, ids))),
    ...(await each(machines, (name) => scalingGroup(scaling, name, ids))),
    ['addresses', Addresses.map(({ Domain, Tags }) => ({ Domain, tags: fromTagList(Tags) }))],
  ] as const;
  return named(Object.fromEntries(all.map(([name, value], at) => [`${at} ${name}`, value])), ids) as Described;
}

const ofStack = (stack: string) => [{ Name: 'tag:batchctl:stack', Values: [stack] }];

const each = <T>(names: readonly string[], look: (name: string) => Promise<T>): Promise<(readonly [string, T])[]> =>
  Promise.all(names.map(async (name) => [name, await look(name)] as const));

/** The ids that AWS assigned, by what they identify. */
function named(value: unknown, ids: ReadonlyMap<string, string>): unknown {
  const text = JSON.stringify(value, (_, field: unknown) => (field === undefined ? null : field));
  return JSON.parse([...ids].reduce((said, [id, name]) => said.replaceAll(id, name), text));
}

async function bucket(s3: S3Client, Bucket: string): Promise<unknown> {
  const at = { Bucket };
  const [access, encryption, lifecycle, tags] = await Promise.all([
    s3.send(new GetPublicAccessBlockCommand(at)),
    s3.send(new GetBucketEncryptionCommand(at)),
    s3.send(new GetBucketLifecycleConfigurationCommand(at)),
    s3.send(new GetBucketTaggingCommand(at)),
  ]);
  return {
    access: access.PublicAccessBlockConfiguration,
    encryption: encryption.ServerSideEncryptionConfiguration,
    lifecycle: lifecycle.Rules,
    tags: fromTagList(tags.TagSet),
  };
}

async function queue(sqs: SQSClient, QueueName: string): Promise<unknown> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
  const asked = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
  const { Attributes = {} } = await sqs.send(asked);
  const { CreatedTimestamp, LastModifiedTimestamp, ...attributes } = Attributes;
  const { Tags } = await sqs.send(new ListQueueTagsCommand({ QueueUrl }));
  return { attributes, tags: Tags };
}

async function roleWithProfile(iam: IAMClient, name: string): Promise<unknown> {
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }));
  const { RoleId, CreateDate, RoleLastUsed, AssumeRolePolicyDocument = '', Tags, ...role } = Role ?? {};
  const asked = new GetRolePolicyCommand({ RoleName: name, PolicyName: 'batchctl' });
  const { PolicyDocument = '' } = await iam.send(asked);
  const { InstanceProfile } = await iam.send(new GetInstanceProfileCommand({ InstanceProfileName: name }));
  const [trust, policy] = [AssumeRolePolicyDocument, PolicyDocument].map((text) =>
    JSON.parse(decodeURIComponent(text)),
  );
  const held = InstanceProfile?.Roles?.map(({ RoleName }) => RoleName);
  return { ...role, trust, policy, tags: fromTagList(Tags), held, path: InstanceProfile?.Path };
}

async function securityGroup(ec2: EC2Client, name: string, ids: Map<string, string>): Promise<unknown> {
  const asked = new DescribeSecurityGroupsCommand({ Filters: [{ Name: 'group-name', Values: [name] }] });
  const { SecurityGroups: [found] = [] } = await ec2.send(asked);
  const { GroupId = '', SecurityGroupArn, Tags, ...group } = found ?? {};
  ids.set(GroupId, `the security group ${name}`);
  return { ...group, tags: fromTagList(Tags) };
}

async function launchTemplate(ec2: EC2Client, name: string, ids: Map<string, string>): Promise<unknown> {
  const { LaunchTemplates: [found] = [] } = await ec2.send(
    new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [name] }),
  );
  const asked = new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateName: name, Versions: ['$Latest'] });
  const { LaunchTemplateVersions: [version] = [] } = await ec2.send(asked);
  ids.set(found?.LaunchTemplateId ?? '', `the launch template ${name}`);
  const { UserData = '', ...data } = version?.LaunchTemplateData ?? {};
  // Only one of the two compresses the manager's.
  const { DefaultVersionNumber, LatestVersionNumber, Tags } = found ?? {};
  return {
    data,
    userData: decodeUserData(UserData),
    DefaultVersionNumber,
    LatestVersionNumber,
    tags: fromTagList(Tags),
  };
}

async function scalingGroup(scaling: AutoScalingClient, name: string, ids: Map<string, string>): Promise<unknown> {
  const at = { AutoScalingGroupName: name };
  const asked = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] });
  const { AutoScalingGroups: [found] = [] } = await scaling.send(asked);
  const { AutoScalingGroupARN = '', CreatedTime, Instances, SuspendedProcesses, ...group } = found ?? {};
  ids.set(AutoScalingGroupARN, `the group ${name}`);
  const { LifecycleHooks } = await scaling.send(new DescribeLifecycleHooksCommand(at));
  return { ...group, hooks: LifecycleHooks };
}
