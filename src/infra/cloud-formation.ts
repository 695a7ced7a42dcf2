import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { gridName, partitionOf, roleName } from '../lib/stack-names.ts';
import { VERSION } from '../lib/version.ts';
import { addressTags } from './address.ts';
import { Arns } from './arns.ts';
import { encryptionOf, PUBLIC_ACCESS, tlsOnly, unfinishedUploads } from './bucket-settings.ts';
import { type GridFacts, machinesOf, managerBoot, subnetsFor, workerBoot } from './grid.ts';
import { templateData, templateRequest } from './launch-template.ts';
import type { ImageFacts, TypeFacts } from './machine-types.ts';
import { type QueuePlan, queuesOf } from './queue.ts';
import { STACK_PARTS, type StackPart } from './resource.ts';
import { rolePlan } from './role.ts';
import type { MachineGroup } from './scaling-request.ts';
import { groupRequest, METRICS, suspendRequest } from './scaling-request.ts';
import { type Rule, securityGroupPlan } from './security-group.ts';
import { groupTags, tagsOf, toTagList } from './tags.ts';
import { type BootRelease, decodeUserData } from './user-data.ts';

/** Resources per template (CloudFormation: quotas). */
const RESOURCES = 500;
/** Bytes of user-data that CloudFormation encodes: it can't compress a text that it fills in (EC2: user-data). */
const PLAIN_USER_DATA = 16_384;

export interface StackTemplate {
  readonly AWSTemplateFormatVersion: '2010-09-09';
  readonly Description: string;
  readonly Resources: Readonly<Record<string, TemplateResource>>;
  readonly Outputs?: Readonly<Record<string, { readonly Description: string; readonly Value: unknown }>>;
}

export interface TemplateResource {
  readonly Type: string;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: 'Retain';
  readonly UpdateReplacePolicy?: 'Retain';
  readonly Properties: Readonly<Record<string, unknown>>;
}

export interface TemplateFacts {
  readonly vpc: string;
  readonly machines: ReadonlyMap<string, MachineFacts>;
}

export interface MachineFacts {
  readonly types: TypeFacts;
  readonly image: ImageFacts;
  readonly subnets: readonly string[];
}

export async function templateFacts(
  profile: AwsProfile,
  facts: GridFacts,
  only: StackPart | null,
): Promise<TemplateFacts> {
  const wanted = machinesOf(profile).filter(({ part }) => only === null || only === part);
  const machines = wanted.map(async ({ group, where, instances, ami, disk }) => {
    const types = await facts.types.of(`${where}.instances`, instances);
    const image = await facts.images.of(where, ami, types.architecture, disk);
    return [group, { types, image, subnets: await subnetsFor(facts, instances) }] as const;
  });
  const found = new Map(await Promise.all(machines));
  return { vpc: found.size === 0 ? '' : (await facts.network.facts()).vpc, machines: found };
}

/**
 * Everything that `up` makes for a profile, or one part of it, as a CloudFormation template: with the same names, tags
 * and settings. The profile's account is known. `release`: the program that instances boot; null for a part without
 * instances. Throws `config` for what CloudFormation, IAM or EC2 would not accept.
 */
export function stackTemplate(
  profile: AwsProfile,
  facts: TemplateFacts,
  release: BootRelease | null,
  only: StackPart | null,
): StackTemplate {
  const { stack, account, region } = profile;
  const parts: Readonly<Record<StackPart, () => readonly TemplateEntry[]>> = {
    data: () => dataPart(profile),
    iam: () => iamPart(profile),
    grid: () => machinePart('grid', profile, facts, release),
    manager: () => machinePart('manager', profile, facts, release),
  };
  const made = STACK_PARTS.filter((part) => only === null || only === part).flatMap((part) => parts[part]());
  const ids = new Set(made.map(({ id }) => id));
  if (ids.size > RESOURCES) {
    throw new BatchctlError(
      'config',
      `the template has ${ids.size} resources, but CloudFormation allows ${RESOURCES}`,
      {
        hint: 'use --only to print its parts, each for a CloudFormation stack of its own; or split the groups between two stacks',
      },
    );
  }
  const resources = made.map(({ id, DependsOn = [], ...resource }) => {
    const before = DependsOn.filter((other) => ids.has(other));
    return [id, { ...resource, ...(before.length > 0 && { DependsOn: before }) }] as const;
  });
  const what = only === null ? `stack ${stack}` : `the part ${only} of the stack ${stack}`;
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: `batchctl: ${what}, for account ${account}, ${region}. Made by batchctl ${VERSION}, infra template.`,
    Resources: Object.fromEntries(resources),
    ...(ids.has(ADDRESS) && {
      Outputs: { Address: { Description: 'Address of the manager', Value: getAtt(ADDRESS, 'PublicIp') } },
    }),
  };
}

/** A resource before its template's other resources are known. */
interface TemplateEntry extends TemplateResource {
  readonly id: string;
}

const [BUCKET, BUCKET_POLICY, ADDRESS] = ['Bucket', 'BucketPolicy', 'ManagerAddress'];

/** A logical id, which consists of letters and digits; different names get different ids. */
const idOf = (name: string, what: string): string =>
  `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', 'Dash')}${what}`;
const roleId = (who: 'worker' | 'manager'): string => idOf(who, 'Role');
const profileId = (who: 'worker' | 'manager'): string => idOf(who, 'InstanceProfile');
const queueId = ({ group, dead }: QueuePlan): string => idOf(group, dead === null ? 'DeadLetters' : 'Queue');

const ref = (id: string) => ({ Ref: id });
const getAtt = (id: string, attribute: string) => ({ 'Fn::GetAtt': [id, attribute] });

function dataPart(profile: AwsProfile): readonly TemplateEntry[] {
  const Tags = toTagList(tagsOf(profile));
  const queues = queuesOf(profile).map((queue): TemplateEntry => {
    const { RedrivePolicy, KmsMasterKeyId, ...numbers } = queue.attributes('');
    const redrive = RedrivePolicy === undefined ? null : JSON.parse(RedrivePolicy);
    const dead = getAtt(queueId({ ...queue, dead: null }), 'Arn');
    return {
      id: queueId(queue),
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: queue.name,
        ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])),
        ...(redrive !== null && { RedrivePolicy: { ...redrive, deadLetterTargetArn: dead } }),
        ...(KmsMasterKeyId !== undefined && { KmsMasterKeyId }),
        Tags,
      },
    };
  });
  return [...(profile.bucket.existing ? [] : bucketEntries(profile)), ...queues];
}

/** Bucket and policy outlive the CloudFormation stack: data stays, and stays protected. */
function bucketEntries(profile: AwsProfile): readonly TemplateEntry[] {
  const { bucket, kmsKey } = profile;
  const { ID, Filter, ...rule } = unfinishedUploads(bucket.prefix);
  const Statement = [parameterizeArns(tlsOnly(new Arns(profile).bucket), profile)];
  const kept = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' } as const;
  return [
    {
      id: BUCKET,
      ...kept,
      Type: 'AWS::S3::Bucket',
      Properties: {
        BucketName: bucket.name,
        PublicAccessBlockConfiguration: PUBLIC_ACCESS,
        BucketEncryption: {
          ServerSideEncryptionConfiguration: encryptionOf(kmsKey).Rules.map(
            ({ ApplyServerSideEncryptionByDefault, ...others }) => ({
              ServerSideEncryptionByDefault: ApplyServerSideEncryptionByDefault,
              ...others,
            }),
          ),
        },
        LifecycleConfiguration: { Rules: [{ Id: ID, ...(Filter.Prefix !== '' && Filter), ...rule }] },
        Tags: toTagList(tagsOf(profile)),
      },
    },
    {
      id: BUCKET_POLICY,
      ...kept,
      Type: 'AWS::S3::BucketPolicy',
      Properties: { Bucket: ref(BUCKET), PolicyDocument: { Version: '2012-10-17', Statement } },
    },
  ];
}

function iamPart(profile: AwsProfile): readonly TemplateEntry[] {
  const { workerProfile, managerProfile } = profile.iam;
  return [
    ...(workerProfile === null ? roleEntries('worker', profile) : []),
    ...(profile.manager !== null && managerProfile === null ? roleEntries('manager', profile) : []),
  ];
}

/** CloudFormation can't tag an instance profile: its role shows that it is the stack's (instance-profile.ts). */
function roleEntries(who: 'worker' | 'manager', profile: AwsProfile): readonly TemplateEntry[] {
  const { name, description, trust, policy, boundary } = rolePlan(who, profile);
  return [
    {
      id: roleId(who),
      Type: 'AWS::IAM::Role',
      Properties: {
        RoleName: name,
        Description: description,
        AssumeRolePolicyDocument: trust,
        Policies: [{ PolicyName: policy.name, PolicyDocument: parameterizeArns(policy.document, profile) }],
        ...(boundary !== null && { PermissionsBoundary: boundary }),
        Tags: toTagList(tagsOf(profile)),
      },
    },
    {
      id: profileId(who),
      Type: 'AWS::IAM::InstanceProfile',
      Properties: { InstanceProfileName: roleName(profile.stack, who), Roles: [ref(roleId(who))] },
    },
  ];
}

function machinePart(
  part: 'grid' | 'manager',
  profile: AwsProfile,
  facts: TemplateFacts,
  release: BootRelease | null,
): readonly TemplateEntry[] {
  if (release === null) return [];
  const who = part === 'grid' ? 'worker' : 'manager';
  const given = profile.network.securityGroups;
  const id = idOf(who, 'SecurityGroup');
  // As in grid.ts: the profile's security groups replace the workers' own, and are added to the manager's.
  const isMade = part === 'manager' || given.length === 0;
  const groups = isMade ? [getAtt(id, 'GroupId'), ...(part === 'manager' ? given : [])] : given;
  const machines = machinesOf(profile).flatMap((each) => {
    const found = facts.machines.get(each.group);
    return each.part === part && found !== undefined ? machineEntries(each, found, groups, profile, release) : [];
  });
  if (machines.length === 0) return [];
  return [
    ...(isMade ? [securityGroup(part, id, profile, facts)] : []),
    ...(part === 'manager' ? [address()] : []),
    ...machines,
  ];

  function address(): TemplateEntry {
    const Properties = { Domain: 'vpc', Tags: toTagList(addressTags(profile)) };
    return { id: ADDRESS, Type: 'AWS::EC2::EIP', Properties };
  }
}

function securityGroup(
  part: 'grid' | 'manager',
  id: string,
  profile: AwsProfile,
  { vpc }: TemplateFacts,
): TemplateEntry {
  const plan = securityGroupPlan(part === 'grid' ? 'worker' : 'manager', profile);
  const rule = ({ permission: { IpRanges = [], Ipv6Ranges = [], ...ports } }: Rule) => ({
    ...ports,
    ...IpRanges[0],
    ...Ipv6Ranges[0],
  });
  return {
    id,
    Type: 'AWS::EC2::SecurityGroup',
    Properties: {
      GroupName: plan.name,
      GroupDescription: plan.description,
      VpcId: vpc,
      ...(plan.incoming.length > 0 && { SecurityGroupIngress: plan.incoming.map(rule) }),
      SecurityGroupEgress: plan.outgoing.map(rule),
      Tags: toTagList(tagsOf(profile)),
    },
  };
}

function machineEntries(
  machines: MachineGroup,
  { types, image, subnets }: MachineFacts,
  securityGroups: readonly unknown[],
  profile: AwsProfile,
  release: BootRelease,
): readonly TemplateEntry[] {
  const { part, group } = machines;
  const who = part === 'grid' ? 'worker' : 'manager';
  const name = gridName(profile.stack, group);
  const tags = groupTags(profile, group);
  const [template, scaling] = [idOf(group, 'LaunchTemplate'), idOf(group, 'AutoScalingGroup')];
  const boot = part === 'grid' ? workerBoot(profile, group, release) : managerBoot(profile, release, ALLOCATION);
  const data = templateData({ ...machines, name, image, types, securityGroups: [], boot }, profile);
  const own = profile.iam[`${who}Profile`] === null;
  const [interfaces] = data.NetworkInterfaces ?? [];
  const launch: TemplateEntry = {
    id: template,
    Type: 'AWS::EC2::LaunchTemplate',
    DependsOn: own ? [profileId(who)] : [],
    Properties: {
      ...templateRequest(name, data, tags),
      LaunchTemplateData: {
        ...data,
        ImageId: imageOf(image),
        NetworkInterfaces: [{ ...interfaces, Groups: securityGroups }],
        ...(part === 'manager' && { UserData: fillInAddress(decodeUserData(data.UserData ?? '')) }),
      },
    },
  };
  const version = { id: '', version: '' };
  const asked = groupRequest({ ...machines, name, template: version, subnets }, machines, tags);
  // Without a size CloudFormation starts at the minimum, and later keeps what others set.
  const {
    DesiredCapacity: _,
    MinSize,
    MaxSize,
    VPCZoneIdentifier = '',
    Tags = [],
    MixedInstancesPolicy,
    ...fields
  } = asked;
  const named = { LaunchTemplateId: ref(template), Version: getAtt(template, 'LatestVersionNumber') };
  return [
    launch,
    {
      id: scaling,
      Type: 'AWS::AutoScaling::AutoScalingGroup',
      DependsOn: [
        BUCKET_POLICY,
        ...queuesOf(profile)
          .filter((queue) => queue.group === group)
          .map(queueId),
      ],
      Properties: {
        ...fields,
        MinSize: String(MinSize),
        MaxSize: String(MaxSize),
        VPCZoneIdentifier: VPCZoneIdentifier.split(','),
        MixedInstancesPolicy: {
          ...MixedInstancesPolicy,
          LaunchTemplate: { ...MixedInstancesPolicy?.LaunchTemplate, LaunchTemplateSpecification: named },
        },
        MetricsCollection: [METRICS],
        Tags: Tags.map(({ Key, Value, PropagateAtLaunch }) => ({ Key, Value, PropagateAtLaunch })),
      },
    },
  ];
}

/** The parameter's value on the day of deployment. A dynamic reference can't have a label: then it is today's image. */
function imageOf({ id, parameter }: ImageFacts): string {
  return parameter !== null && /^[\w./-]+(:\d+)?$/.test(parameter) ? `{{resolve:ssm:${parameter}}}` : id;
}

/** Placeholder for the address, which CloudFormation knows only later; as long as a real one. */
const ALLOCATION = `eipalloc-${'0'.repeat(17)}`;

/** Not compressed, so that CloudFormation can fill in the address. Throws `config` if it would be too long for EC2. */
function fillInAddress(text: string) {
  const size = Buffer.byteLength(text);
  if (size > PLAIN_USER_DATA) {
    throw new BatchctlError(
      'config',
      `the manager's user-data has ${size} bytes, but EC2 allows ${PLAIN_USER_DATA}, and CloudFormation can't compress it`,
      { hint: 'use --only to print the other parts, and create this one with batchctl infra up --only manager' },
    );
  }
  const pieces = text
    .split(ALLOCATION)
    .flatMap((piece, at) => (at === 0 ? [piece] : [getAtt(ADDRESS, 'AllocationId'), piece]));
  return { 'Fn::Base64': { 'Fn::Join': ['', pieces] } };
}

/** A policy whose ARNs CloudFormation completes with the partition, region and account of the deployment. */
function parameterizeArns(value: unknown, profile: AwsProfile): unknown {
  if (Array.isArray(value)) return value.map((each) => parameterizeArns(each, profile));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, parameterizeArns(field, profile)]));
  }
  if (typeof value !== 'string') return value;
  const [arn, partition, service, region, account, ...rest] = value.split(':');
  if (arn !== 'arn' || partition !== partitionOf(profile.region) || rest.length === 0) return value;
  const words = [
    ...['arn', pseudo('Partition'), service, region === profile.region ? pseudo('Region') : region],
    account === profile.account ? pseudo('AccountId') : account,
    // `${*}` belongs to IAM: Fn::Sub must leave it.
    rest.join(':').replaceAll('${', '${!'),
  ];
  return { 'Fn::Sub': words.join(':') };
}

/** A pseudo parameter, which CloudFormation provides (CloudFormation: pseudo parameters). */
const pseudo = (name: 'Partition' | 'Region' | 'AccountId'): string => `\${AWS::${name}}`;

/** Bytes of a template in a request, and of one in S3 (CloudFormation: quotas). */
const BODY_LIMIT = 51_200;
const S3_LIMIT = 1_000_000;

/** Throws `config` for a template that is too large for CloudFormation in any way of passing it. */
export function requireTemplateSize(bytes: number): void {
  if (bytes <= S3_LIMIT) return;
  throw new BatchctlError('config', `the template has ${bytes} bytes, but CloudFormation allows ${S3_LIMIT}`, {
    hint: 'use --only to print its parts, each for a CloudFormation stack of its own; or split the groups between two stacks',
  });
}

export function deployHints({ region, stack }: AwsProfile, only: StackPart | null, bytes: number): readonly string[] {
  // Each part has its own CloudFormation stack: deployed as another part's, it would remove the resources that it
  // doesn't name.
  const name = only === null ? stack : `${stack}-${only}`;
  const named = only === null || only === 'iam' ? ' --capabilities CAPABILITY_NAMED_IAM' : '';
  const command = `deploy it: aws cloudformation deploy --region ${region} --stack-name ${name} --template-file FILE${named}`;
  if (bytes <= BODY_LIMIT) return [command];
  return [
    `${command} --s3-bucket BUCKET`,
    `it has ${bytes} bytes, more than the ${BODY_LIMIT} of a request, so it is passed through any BUCKET of the region`,
  ];
}

/** Commands for what a template can't do, to run after deployment. */
export function postDeployCommands(profile: AwsProfile, only: StackPart | null): readonly string[] {
  const { region, ledger, name } = profile;
  const makes = (part: StackPart): boolean => only === null || only === part;
  const groups = machinesOf(profile)
    .filter(({ part }) => makes(part))
    .map(({ group }) => suspendRequest(gridName(profile.stack, group)));
  const suspend = groups.map(
    ({ AutoScalingGroupName, ScalingProcesses }) =>
      `aws autoscaling suspend-processes --region ${region} --auto-scaling-group-name ${AutoScalingGroupName} --scaling-processes ${ScalingProcesses.join(' ')}`,
  );
  // CloudFormation chooses the domains' names.
  const domains =
    makes('data') && ledger.kind === 'simpledb' ? [`batchctl infra up --only data --profile ${name}`] : [];
  return [...domains, ...suspend];
}
