// Protects: CloudFormation creates from the template what infra up creates, and every command accepts it as the stack's.
import type { AutoScalingGroup } from '@aws-sdk/client-auto-scaling';
import { expect } from 'chai';
import { parse } from 'yaml';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { AwsProfile } from '../../src/config/load-config.ts';
import { Arns } from '../../src/infra/arns.ts';
import { tlsOnly } from '../../src/infra/bucket-settings.ts';
import { type StackTemplate, stackTemplate, templateFacts } from '../../src/infra/cloud-formation.ts';
import { gridFacts } from '../../src/infra/grid.ts';
import { takeInventory } from '../../src/infra/inventory.ts';
import type { Resource } from '../../src/infra/resource.ts';
import { fromTagList } from '../../src/infra/tags.ts';
import { decodeUserData } from '../../src/infra/user-data.ts';
import { deadQueueName, gridName, queueName, roleName } from '../../src/lib/stack-names.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile, sampleFields } from '../support/aws-profile.ts';
import { templateMistakes } from '../support/cloud-formation.ts';
import { forSuite } from '../support/fixture.ts';
import {
  type AccountClients,
  accountClients,
  createPolicy,
  endpointsOf,
  findAddresses,
  findScalingGroup,
  findSecurityGroup,
  findTemplateData,
} from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { failsWith } from '../support/rejection.ts';
import { down, RELEASE, stackResources, statesOf, UP_TO_DATE, up } from './grid-lab.ts';
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
  region: 'us-east-1',
  manager: { allow: ['203.0.113.0/24', '::/0'] },
  tags: { CostCenter: '4711', on: 'no' },
  groups: { default: { spot: true, onDemandBase: 1, max: 7 }, gpu: { spot: false, instances: ['g5.xlarge'] } },
};

describe('a stack that CloudFormation creates from the template', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'own' }));
  const others = forSuite(() => accountClients(cloud));
  const clients = forSuite(() => {
    const { account } = cloud;
    return new AwsClients({ region: 'us-east-1', endpoints: endpointsOf(cloud), profile: null, account });
  });

  before(async () => {
    useTestKeys();
    await createPolicy(others, 'boundary');
  });

  const workspace = forSuite(() => new StackWorkspace(cloud));
  const profileOf = (fields: Readonly<Record<string, unknown>>) =>
    awsProfile({ account: cloud.account, ...fields, endpoints: endpointsOf(cloud) });
  const resources = (profile: AwsProfile) => stackResources(profile, clients);
  const templateOf = async (profile: AwsProfile): Promise<StackTemplate> =>
    stackTemplate(profile, await templateFacts(profile, gridFacts({ profile, clients }), null), RELEASE, null);

  const policyStatements = async ({ bucket }: AwsProfile): Promise<unknown> => {
    const { Policy = '' } = await others.s3.getBucketPolicy({ Bucket: bucket.name });
    return JSON.parse(Policy).Statement;
  };

  it(`has every property that infra up gives it, for any configuration (seed ${SEED})`, async () => {
    const place = { region: 'us-east-1', account: cloud.account, bucket: `t-${SEED}` };
    const everything = { ...EVERYTHING, stack: 'every', bucket: `every-${SEED}` };
    for (const fields of [everything, ...sampleFields(CONFIGURATIONS, SEED, place).map(withoutEmptyTags)]) {
      const profile = await profileOf(fields);
      await up(resources(profile));
      const byUp = await stackSettings(profile, others);
      await down(resources(profile));
      const template = await templateOf(profile);
      expect(templateMistakes(template)).to.deep.equal([]);
      await deploy(template, cloud);
      const byTemplate = await stackSettings(profile, others);
      expect(Object.keys(byTemplate)).to.deep.equal(Object.keys(byUp));
      for (const name of Object.keys(byUp)) expect(byTemplate[name], name).to.deep.equal(byUp[name]);
      // Over plain HTTP, as here, infra up sets no such policy (bucket-tls.services.test.ts).
      expect(await policyStatements(profile)).to.deep.equal([tlsOnly(new Arns(profile).bucket)]);
      expect(await differences(resources(profile))).to.deep.equal(expectedDifferences(profile));
      expect(await down(resources(profile))).to.deep.equal([]);
      expect(await takeInventory({ profile, clients })).to.deep.equal([]);
    }
  });

  it('belongs to the stack only with its own role, if an instance profile has no tags', async () => {
    const profile = await profileOf({ ...EVERYTHING, stack: 'bare', bucket: `bare-${SEED}` });
    const iam = resources(profile).filter(({ part }) => part === 'iam');
    await up(iam.filter(({ kind }) => kind === 'role'));
    const look = async () => iam.find(({ kind, name }) => kind === 'profile' && name === 'bare-worker')?.look();
    const InstanceProfileName = 'bare-worker';
    await others.iam.createInstanceProfile({ InstanceProfileName });
    await others.iam.addRoleToInstanceProfile({ InstanceProfileName, RoleName: 'bare-manager' });
    await failsWith('refused', look());
    await others.iam.removeRoleFromInstanceProfile({ InstanceProfileName, RoleName: 'bare-manager' });
    await failsWith('refused', look());
    await others.iam.addRoleToInstanceProfile({ InstanceProfileName, RoleName: 'bare-worker' });
    expect(await look()).to.include(UP_TO_DATE);
    expect(await down(iam)).to.deep.equal([]);
  });

  it('is printed by infra template, with the commands that deploy it and do the rest', async () => {
    workspace.configure({ manager: {} });
    const { code, stderr, lines } = await workspace.output<StackTemplate>('infra', 'template');
    expect(code, stderr).to.equal(0);
    const template = lines[0] as StackTemplate;
    expect(templateMistakes(template)).to.deep.equal([]);
    const { Bucket, BucketPolicy, DefaultQueue, GpuAutoScalingGroup } = template.Resources;
    expect(GpuAutoScalingGroup?.DependsOn).to.deep.equal(['BucketPolicy', 'GpuDeadLetters', 'GpuQueue']);
    const { stack } = workspace;
    const command = `aws cloudformation deploy --region us-east-1 --stack-name ${stack}`;
    // With two groups and a manager it is larger than a request may be.
    expect(stderr).to.include(
      `${command} --template-file FILE --capabilities CAPABILITY_NAMED_IAM --s3-bucket BUCKET\n`,
    );
    for (const group of ['default', 'gpu', 'manager']) {
      const flags = `--auto-scaling-group-name ${stack}-${group} --scaling-processes AZRebalance`;
      expect(stderr).to.include(`aws autoscaling suspend-processes --region us-east-1 ${flags}`);
    }
    expect(stderr).to.include('warning: the release that instances boot with is not in the bucket');
    const data = await workspace.run(['infra', 'template', '--only', 'data']);
    expect(data.stderr)
      .to.include(`${command}-data --template-file FILE\n`)
      .and.not.match(/suspend-processes|is not in the bucket/);
    expect(parse(data.stdout, { version: '1.1' }).Resources).to.deep.include({ Bucket, BucketPolicy, DefaultQueue });
  });
});

/** The differences from the configuration that `infra plan` finds: only what no template can set. */
function expectedDifferences({ stack, groups, manager, ledger }: AwsProfile): readonly string[] {
  const managers = manager === null ? [] : ['manager'];
  return [
    ...(ledger.kind === 'simpledb' ? [`domain ${stack}-0 to 1: absent`] : []),
    ...['worker', ...managers].map(
      (role) => `profile ${stack}-${role}: asItShould, it has no tags: CloudFormation sets none`,
    ),
    ...[...Object.keys(groups), ...managers].map((group) => `group ${stack}-${group}: differs, zones are rebalanced`),
  ];
}

async function differences(resources: readonly Resource[]): Promise<readonly string[]> {
  const states = await statesOf(resources);
  return resources.flatMap(({ kind, name }, at) => {
    const found = states[at] ?? { state: 'unknown' };
    const details = [
      ...(found.state === 'differs' ? [...found.differences, ...(found.newer ?? [])] : []),
      ...(found.state === 'asItShould' ? (found.notes ?? []) : []),
    ];
    const isExpected = found.state === 'asItShould' && details.length === 0;
    return isExpected ? [] : [`${kind} ${name}: ${[found.state, ...details].join(', ')}`];
  });
}

/** The settings of a resource that a person or a template chooses: without ids, times and runtime state. */
type Settings = Readonly<Record<string, unknown>>;

/**
 * The settings of all resources of a stack, read from its account, except what CloudFormation can't set: tags of instance
 * profiles, suspended processes. Ids that AWS assigned are replaced by the resources' names.
 */
async function stackSettings(profile: AwsProfile, clients: AccountClients): Promise<Settings> {
  const { stack } = profile;
  const managers = profile.manager === null ? [] : (['manager'] as const);
  const groups = Object.keys(profile.groups);
  const queues = groups.map((group) => queueName(stack, group)).flatMap((name) => [name, deadQueueName(name)]);
  const machines = [...groups, ...managers].map((group) => gridName(stack, group));
  const roles = (['worker', ...managers] as const).map((role) => roleName(stack, role));
  const addresses = await findAddresses(clients, stack);
  const ids = new Map(addresses.map(({ AllocationId = '' }) => [AllocationId, 'the address']));
  const readAll = (names: readonly string[], read: Read): Promise<readonly (readonly [string, Settings])[]> =>
    Promise.all(names.map(async (name) => [name, await read(name, clients, ids)] as const));
  const all = [
    ...(await readAll([profile.bucket.name], bucketSettings)),
    ...(await readAll(queues, queueSettings)),
    ...(await readAll(roles, roleSettings)),
    ...(await readAll(roles, securityGroupSettings)),
    ...(await readAll(machines, launchTemplateSettings)),
    ...(await readAll(machines, scalingGroupSettings)),
    ['addresses', addresses.map(({ Domain, Tags }) => ({ Domain, tags: fromTagList(Tags) }))],
  ] as const;
  const settings = Object.fromEntries(all.map(([name, value], number) => [`${number} ${name}`, value]));
  const text = JSON.stringify(settings, (_, field: unknown) => (field === undefined ? null : field));
  return JSON.parse([...ids].reduce((replaced, [id, name]) => replaced.replaceAll(id, name), text));
}

/** Reads the settings of a named resource, and adds its ids to `ids`. */
type Read = (name: string, clients: AccountClients, ids: Map<string, string>) => Promise<Settings>;

const bucketSettings: Read = async (Bucket, { s3 }) => {
  const [access, encryption, lifecycle, tags] = await Promise.all([
    s3.getPublicAccessBlock({ Bucket }),
    s3.getBucketEncryption({ Bucket }),
    s3.getBucketLifecycleConfiguration({ Bucket }),
    s3.getBucketTagging({ Bucket }),
  ]);
  return {
    access: access.PublicAccessBlockConfiguration,
    encryption: encryption.ServerSideEncryptionConfiguration,
    lifecycle: lifecycle.Rules,
    tags: fromTagList(tags.TagSet),
  };
};

const queueSettings: Read = async (QueueName, { sqs }) => {
  const { QueueUrl } = await sqs.getQueueUrl({ QueueName });
  const { Attributes = {} } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
  const { CreatedTimestamp, LastModifiedTimestamp, ...attributes } = Attributes;
  const { Tags } = await sqs.listQueueTags({ QueueUrl });
  return { attributes, tags: Tags };
};

/** The settings of a role and of its instance profile. */
const roleSettings: Read = async (name, { iam }) => {
  const { Role } = await iam.getRole({ RoleName: name });
  const { RoleId, CreateDate, RoleLastUsed, AssumeRolePolicyDocument = '', Tags, ...role } = Role ?? {};
  const { PolicyDocument = '' } = await iam.getRolePolicy({ RoleName: name, PolicyName: 'batchctl' });
  const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName: name });
  const parse = (document: string): unknown => JSON.parse(decodeURIComponent(document));
  return {
    ...role,
    trust: parse(AssumeRolePolicyDocument),
    policy: parse(PolicyDocument),
    tags: fromTagList(Tags),
    profileRoles: InstanceProfile?.Roles?.map(({ RoleName }) => RoleName),
    path: InstanceProfile?.Path,
  };
};

const securityGroupSettings: Read = async (name, clients, ids) => {
  const { GroupId = '', SecurityGroupArn, Tags, ...group } = (await findSecurityGroup(clients, name)) ?? {};
  ids.set(GroupId, `the security group ${name}`);
  return { ...group, tags: fromTagList(Tags) };
};

const launchTemplateSettings: Read = async (name, clients, ids) => {
  const { LaunchTemplates = [] } = await clients.ec2.describeLaunchTemplates({ LaunchTemplateNames: [name] });
  const { LaunchTemplateId = '', DefaultVersionNumber, LatestVersionNumber, Tags } = LaunchTemplates[0] ?? {};
  // Compared decoded, because only infra up compresses the manager's.
  const { UserData = '', ...data } = await findTemplateData(clients, name);
  ids.set(LaunchTemplateId, `the launch template ${name}`);
  return {
    data,
    userData: decodeUserData(UserData),
    DefaultVersionNumber,
    LatestVersionNumber,
    tags: fromTagList(Tags),
  };
};

const scalingGroupSettings: Read = async (name, clients, ids) => {
  const found = (await findScalingGroup(clients, name)) ?? {};
  const { AutoScalingGroupARN = '', CreatedTime, Instances, SuspendedProcesses, ...group } = found as AutoScalingGroup;
  ids.set(AutoScalingGroupARN, `the group ${name}`);
  const { LifecycleHooks } = await clients.scaling.describeLifecycleHooks({ AutoScalingGroupName: name });
  return { ...group, hooks: LifecycleHooks };
};
