import type * as ec2 from '@aws-sdk/client-ec2';
import type * as s3 from '@aws-sdk/client-s3';
import { SSM } from '@aws-sdk/client-ssm';
import type { StackTemplate } from '../../src/infra/cloud-formation.ts';
import { type Deployment, resolved } from '../support/cloud-formation.ts';
import { type AccountClients, accountClients, clientConfig } from '../support/grid/account-clients.ts';
import type { Cloud } from '../support/grid/cloud.ts';

const CALLER = 'AKIDCLOUDFORMATION';

/** The values of a resource for `Ref` and for `Fn::GetAtt`. */
interface References {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface Tag {
  readonly Key: string;
  readonly Value: string;
}

interface Peer {
  readonly CidrIp?: string;
  readonly CidrIpv6?: string;
  readonly Description?: string;
}
type PeerRule = Peer & { readonly IpProtocol: string };

interface Policy {
  readonly PolicyName: string;
  readonly PolicyDocument: unknown;
}

type Text =
  | ('Bucket' | 'BucketName' | 'QueueName' | 'RoleName' | 'Description' | 'InstanceProfileName' | 'GroupName')
  | ('GroupDescription' | 'VpcId' | 'LaunchTemplateName' | 'AutoScalingGroupName' | 'MinSize' | 'MaxSize');

/** The properties of all types together; each type has some of them. */
interface Properties extends Readonly<Record<Text, string>>, Omit<Policy, 'PolicyName'> {
  readonly PublicAccessBlockConfiguration: s3.PublicAccessBlockConfiguration;
  readonly BucketEncryption: {
    readonly ServerSideEncryptionConfiguration: readonly {
      readonly ServerSideEncryptionByDefault: s3.ServerSideEncryptionByDefault;
    }[];
  };
  readonly LifecycleConfiguration: {
    readonly Rules: readonly { readonly Id: string; readonly Prefix?: string; readonly Status: 'Enabled' }[];
  };
  readonly Tags: Tag[];
  readonly AssumeRolePolicyDocument: unknown;
  readonly Policies: readonly Policy[];
  readonly PermissionsBoundary?: string;
  readonly Roles: readonly string[];
  readonly SecurityGroupIngress?: readonly PeerRule[];
  readonly SecurityGroupEgress: readonly PeerRule[];
  readonly Domain: ec2.DomainType;
  readonly LaunchTemplateData: ec2.RequestLaunchTemplateData;
  readonly TagSpecifications: ec2.TagSpecification[];
  readonly VPCZoneIdentifier: readonly string[];
  readonly MetricsCollection: readonly { readonly Granularity: string }[];
}

type Creator = (properties: Properties, clients: AccountClients) => Promise<References>;

/** Fails if properties of a resource are left that no request covers. */
function expectNone(rest: object): void {
  const left = Object.keys(rest);
  if (left.length > 0) throw new Error(`no request covers ${left.join(', ')}`);
}

const references = (ref = '', attributes: Readonly<Record<string, string | undefined>> = {}): References => ({
  ref,
  attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, value ?? ''])),
});

/** The requests that CloudFormation makes for a resource's properties. */
const CREATORS: Readonly<Record<string, Creator>> = {
  'AWS::S3::Bucket': async (
    { BucketName: Bucket, PublicAccessBlockConfiguration, BucketEncryption, LifecycleConfiguration, Tags, ...rest },
    { s3: client },
  ) => {
    expectNone(rest);
    const { ServerSideEncryptionConfiguration: byDefault } = BucketEncryption;
    const Rules = byDefault.map(({ ServerSideEncryptionByDefault, ...others }) => ({
      ApplyServerSideEncryptionByDefault: ServerSideEncryptionByDefault,
      ...others,
    }));
    const lifecycleRules = LifecycleConfiguration.Rules.map(({ Id, Prefix = '', ...rule }) => ({
      ID: Id,
      Filter: { Prefix },
      ...rule,
    }));
    await client.createBucket({ Bucket });
    await client.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration });
    await client.putBucketEncryption({ Bucket, ServerSideEncryptionConfiguration: { Rules } });
    await client.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules: lifecycleRules } });
    await client.putBucketTagging({ Bucket, Tagging: { TagSet: Tags } });
    return references(Bucket);
  },
  'AWS::S3::BucketPolicy': async ({ Bucket, PolicyDocument, ...rest }, { s3: client }) => {
    expectNone(rest);
    await client.putBucketPolicy({ Bucket, Policy: JSON.stringify(PolicyDocument) });
    return references(Bucket);
  },
  'AWS::SQS::Queue': async ({ QueueName, Tags, ...settings }, { sqs: client }) => {
    const Attributes = Object.fromEntries(
      Object.entries(settings as Record<string, unknown>).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]),
    );
    const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]));
    const { QueueUrl } = await client.createQueue({ QueueName, Attributes, tags });
    const created = await client.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
    return references(QueueUrl, { Arn: created.Attributes?.QueueArn });
  },
  'AWS::IAM::Role': async (
    { RoleName, Description, AssumeRolePolicyDocument, Policies, PermissionsBoundary, Tags, ...rest },
    { iam: client },
  ) => {
    expectNone(rest);
    const trust = JSON.stringify(AssumeRolePolicyDocument);
    await client.createRole({ RoleName, Description, AssumeRolePolicyDocument: trust, PermissionsBoundary, Tags });
    for (const { PolicyName, PolicyDocument } of Policies) {
      await client.putRolePolicy({ RoleName, PolicyName, PolicyDocument: JSON.stringify(PolicyDocument) });
    }
    return references(RoleName);
  },
  'AWS::IAM::InstanceProfile': async ({ InstanceProfileName, Roles, ...rest }, { iam: client }) => {
    expectNone(rest);
    await client.createInstanceProfile({ InstanceProfileName });
    const [RoleName] = Roles;
    await client.addRoleToInstanceProfile({ InstanceProfileName, RoleName });
    return references(InstanceProfileName);
  },
  'AWS::EC2::SecurityGroup': async (
    { GroupName, GroupDescription, VpcId, SecurityGroupIngress, SecurityGroupEgress, Tags, ...rest },
    { ec2: client },
  ) => {
    expectNone(rest);
    const TagSpecifications = [{ ResourceType: 'security-group' as const, Tags }];
    const group = { GroupName, Description: GroupDescription, VpcId, TagSpecifications };
    const { GroupId } = await client.createSecurityGroup(group);
    // The given rules replace EC2's default rule.
    const everything = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    await client.revokeSecurityGroupEgress({ GroupId, IpPermissions: [everything] });
    await client.authorizeSecurityGroupEgress({ GroupId, IpPermissions: permissions(SecurityGroupEgress) });
    for (const permission of permissions(SecurityGroupIngress ?? [])) {
      await client.authorizeSecurityGroupIngress({ GroupId, IpPermissions: [permission] });
    }
    return references(GroupId, { GroupId });
  },
  'AWS::EC2::EIP': async ({ Domain, Tags, ...rest }, { ec2: client }) => {
    expectNone(rest);
    const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }];
    const { PublicIp, AllocationId } = await client.allocateAddress({ Domain, TagSpecifications });
    return references(PublicIp, { AllocationId, PublicIp });
  },
  'AWS::EC2::LaunchTemplate': async (properties, { ec2: client }) => {
    const { LaunchTemplateName, LaunchTemplateData, TagSpecifications, ...rest } = properties;
    expectNone(rest);
    const template = { LaunchTemplateName, LaunchTemplateData, TagSpecifications };
    const { LaunchTemplate } = await client.createLaunchTemplate(template);
    return references(LaunchTemplate?.LaunchTemplateId, { LatestVersionNumber: '1' });
  },
  'AWS::AutoScaling::AutoScalingGroup': async (properties, { scaling: client }) => {
    const { MinSize, MaxSize, VPCZoneIdentifier, Tags, MetricsCollection, ...others } = properties;
    const { AutoScalingGroupName } = others;
    await client.createAutoScalingGroup({
      ...(others as object),
      AutoScalingGroupName,
      MinSize: Number(MinSize),
      MaxSize: Number(MaxSize),
      // Without a desired capacity, a group has its minimum size (Auto Scaling: CreateAutoScalingGroup).
      DesiredCapacity: Number(MinSize),
      VPCZoneIdentifier: VPCZoneIdentifier.join(','),
      Tags: Tags.map((tag) => ({ ResourceId: AutoScalingGroupName, ResourceType: 'auto-scaling-group', ...tag })),
    });
    for (const metrics of MetricsCollection) {
      await client.enableMetricsCollection({ AutoScalingGroupName, ...metrics });
    }
    return references(AutoScalingGroupName);
  },
};

function permissions(rules: readonly PeerRule[]): ec2.IpPermission[] {
  return rules.map(({ CidrIp, CidrIpv6, Description, ...ports }) => ({
    ...ports,
    ...(CidrIp !== undefined && { IpRanges: [{ CidrIp, Description }] }),
    ...(CidrIpv6 !== undefined && { Ipv6Ranges: [{ CidrIpv6, Description }] }),
  }));
}

/**
 * Creates in an emulated account what CloudFormation would create from a template, one resource after the other. The
 * requests are checked against AWS's models, like batchctl's own: the published resource schemas have no patterns, lengths
 * or ranges for these types.
 */
export async function deploy(template: StackTemplate, cloud: Cloud, region = 'us-east-1'): Promise<void> {
  const clients = accountClients(cloud, { region, accessKeyId: CALLER });
  const module = process.env.BATCHCTL_TEST_AWS_REQUESTS;
  if (module !== undefined) {
    const { watch } = await import(module);
    for (const client of [clients.s3, clients.sqs, clients.iam, clients.ec2, clients.scaling]) watch(client);
  }
  const created = new Map<string, References>();
  const place: Deployment = {
    partition: 'aws',
    region,
    account: cloud.account,
    reference: (id, attribute) => {
      const found = created.get(id);
      const value = attribute === null ? found?.ref : found?.attributes[attribute];
      if (value === undefined) throw new Error(`${id} has no ${attribute ?? 'reference'} yet`);
      return value;
    },
    parameter: (name) => parameters.get(name) ?? '',
  };
  const ssm = new SSM(clientConfig(cloud, { region, accessKeyId: CALLER }));
  const parameters = new Map<string, string>();
  try {
    for (const [, Name = ''] of JSON.stringify(template).matchAll(/\{\{resolve:ssm:(.+?)\}\}/g)) {
      const { Parameter } = await ssm.getParameter({ Name });
      parameters.set(Name, Parameter?.Value ?? '');
    }
    for (const [id, { Type, Properties }] of Object.entries(template.Resources)) {
      const create = CREATORS[Type];
      if (create === undefined) throw new Error(`${Type} is not implemented`);
      created.set(id, await create(resolved(Properties, place) as Properties, clients));
    }
  } finally {
    clients.close();
    ssm.destroy();
  }
}
