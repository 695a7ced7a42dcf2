import * as scaling from '@aws-sdk/client-auto-scaling';
import * as ec2 from '@aws-sdk/client-ec2';
import * as iam from '@aws-sdk/client-iam';
import * as s3 from '@aws-sdk/client-s3';
import * as sqs from '@aws-sdk/client-sqs';
import type { StackTemplate } from '../../src/infra/cloud-formation.ts';
import { resolved } from '../support/cloud-formation.ts';
import type { Cloud } from '../support/grid/cloud.ts';
import { type Others, othersIn } from '../support/grid/leftovers.ts';

const REGION = 'us-east-1';
const CALLER = 'AKIDCLOUDFORMATION';

/** What a resource returns for `Ref`, and for `Fn::GetAtt`. */
interface Answers {
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

/** The properties of all types together; each type has some of them. */
interface Properties {
  readonly Bucket: string;
  readonly BucketName: string;
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
  readonly PolicyDocument: unknown;
  readonly QueueName: string;
  readonly RoleName: string;
  readonly Description: string;
  readonly AssumeRolePolicyDocument: unknown;
  readonly Policies: readonly { readonly PolicyName: string; readonly PolicyDocument: unknown }[];
  readonly PermissionsBoundary?: string;
  readonly InstanceProfileName: string;
  readonly Roles: readonly string[];
  readonly GroupName: string;
  readonly GroupDescription: string;
  readonly VpcId: string;
  readonly SecurityGroupIngress?: readonly PeerRule[];
  readonly SecurityGroupEgress: readonly PeerRule[];
  readonly Domain: ec2.DomainType;
  readonly LaunchTemplateName: string;
  readonly LaunchTemplateData: ec2.RequestLaunchTemplateData;
  readonly TagSpecifications: ec2.TagSpecification[];
  readonly AutoScalingGroupName: string;
  readonly MinSize: string;
  readonly MaxSize: string;
  readonly VPCZoneIdentifier: readonly string[];
  readonly MetricsCollection: readonly { readonly Granularity: string }[];
}

type Maker = (properties: Properties, clients: Others) => Promise<Answers>;

/** Every property of a resource must be covered by a request. */
function spent(rest: object): void {
  const left = Object.keys(rest);
  if (left.length > 0) throw new Error(`no request was made of ${left.join(', ')}`);
}

const answers = (ref: string | undefined, attributes: Readonly<Record<string, string | undefined>> = {}): Answers => ({
  ref: ref ?? '',
  attributes: Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, value ?? ''])),
});

/** The requests that CloudFormation makes for a resource's properties. */
const MAKERS: Readonly<Record<string, Maker>> = {
  'AWS::S3::Bucket': async (
    { BucketName: Bucket, PublicAccessBlockConfiguration, BucketEncryption, LifecycleConfiguration, Tags, ...rest },
    { s3: client },
  ) => {
    spent(rest);
    const { ServerSideEncryptionConfiguration: byDefault } = BucketEncryption;
    const Rules = byDefault.map(({ ServerSideEncryptionByDefault, ...others }) => ({
      ...{ ApplyServerSideEncryptionByDefault: ServerSideEncryptionByDefault, ...others },
    }));
    const rules = LifecycleConfiguration.Rules.map(({ Id, Prefix = '', ...rule }) => ({
      ID: Id,
      Filter: { Prefix },
      ...rule,
    }));
    await client.send(new s3.CreateBucketCommand({ Bucket }));
    await client.send(new s3.PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }));
    const ServerSideEncryptionConfiguration = { Rules };
    await client.send(new s3.PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }));
    const asked = { Bucket, LifecycleConfiguration: { Rules: rules } };
    await client.send(new s3.PutBucketLifecycleConfigurationCommand(asked));
    await client.send(new s3.PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: Tags } }));
    return answers(Bucket);
  },
  'AWS::S3::BucketPolicy': async ({ Bucket, PolicyDocument, ...rest }, { s3: client }) => {
    spent(rest);
    await client.send(new s3.PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(PolicyDocument) }));
    return answers(Bucket);
  },
  'AWS::SQS::Queue': async ({ QueueName, Tags, ...settings }, { sqs: client }) => {
    const Attributes = Object.fromEntries(
      Object.entries(settings as Record<string, unknown>).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]),
    );
    const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value]));
    const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName, Attributes, tags }));
    const asked = new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] });
    return answers(QueueUrl, { Arn: (await client.send(asked)).Attributes?.QueueArn });
  },
  'AWS::IAM::Role': async (
    { RoleName, Description, AssumeRolePolicyDocument, Policies, PermissionsBoundary, Tags, ...rest },
    { iam: client },
  ) => {
    spent(rest);
    const trust = JSON.stringify(AssumeRolePolicyDocument);
    const asked = { RoleName, Description, AssumeRolePolicyDocument: trust, PermissionsBoundary, Tags };
    await client.send(new iam.CreateRoleCommand(asked));
    for (const { PolicyName, PolicyDocument } of Policies) {
      const document = JSON.stringify(PolicyDocument);
      await client.send(new iam.PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: document }));
    }
    return answers(RoleName);
  },
  'AWS::IAM::InstanceProfile': async ({ InstanceProfileName, Roles, ...rest }, { iam: client }) => {
    spent(rest);
    await client.send(new iam.CreateInstanceProfileCommand({ InstanceProfileName }));
    const [RoleName] = Roles;
    await client.send(new iam.AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName }));
    return answers(InstanceProfileName);
  },
  'AWS::EC2::SecurityGroup': async (
    { GroupName, GroupDescription, VpcId, SecurityGroupIngress, SecurityGroupEgress, Tags, ...rest },
    { ec2: client },
  ) => {
    spent(rest);
    const TagSpecifications = [{ ResourceType: 'security-group' as const, Tags }];
    const asked = { GroupName, Description: GroupDescription, VpcId, TagSpecifications };
    const { GroupId } = await client.send(new ec2.CreateSecurityGroupCommand(asked));
    const everything = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    // Given rules replace EC2's own.
    await client.send(new ec2.RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: [everything] }));
    const outward = permissions(SecurityGroupEgress);
    await client.send(new ec2.AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions: outward }));
    for (const permission of permissions(SecurityGroupIngress ?? [])) {
      await client.send(new ec2.AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [permission] }));
    }
    return answers(GroupId, { GroupId });
  },
  'AWS::EC2::EIP': async ({ Domain, Tags, ...rest }, { ec2: client }) => {
    spent(rest);
    const TagSpecifications = [{ ResourceType: 'elastic-ip' as const, Tags }];
    const made = await client.send(new ec2.AllocateAddressCommand({ Domain, TagSpecifications }));
    return answers(made.PublicIp, { AllocationId: made.AllocationId, PublicIp: made.PublicIp });
  },
  'AWS::EC2::LaunchTemplate': async (properties, { ec2: client }) => {
    const { LaunchTemplateName, LaunchTemplateData, TagSpecifications, ...rest } = properties;
    spent(rest);
    const asked = { LaunchTemplateName, LaunchTemplateData, TagSpecifications };
    const { LaunchTemplate } = await client.send(new ec2.CreateLaunchTemplateCommand(asked));
    return answers(LaunchTemplate?.LaunchTemplateId, { LatestVersionNumber: '1' });
  },
  'AWS::AutoScaling::AutoScalingGroup': async (properties, { scaling: client }) => {
    const { MinSize, MaxSize, VPCZoneIdentifier, Tags, MetricsCollection, ...others } = properties;
    const { AutoScalingGroupName } = others;
    await client.send(
      new scaling.CreateAutoScalingGroupCommand({
        ...(others as object),
        AutoScalingGroupName,
        MinSize: Number(MinSize),
        MaxSize: Number(MaxSize),
        // The minimum is the size if none is given (Auto Scaling: CreateAutoScalingGroup).
        DesiredCapacity: Number(MinSize),
        VPCZoneIdentifier: VPCZoneIdentifier.join(','),
        Tags: Tags.map((tag) => ({
          ...{ ResourceId: AutoScalingGroupName, ResourceType: 'auto-scaling-group', ...tag },
        })),
      }),
    );
    for (const metrics of MetricsCollection) {
      await client.send(new scaling.EnableMetricsCollectionCommand({ AutoScalingGroupName, ...metrics }));
    }
    return answers(AutoScalingGroupName);
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
export async function deploy(template: StackTemplate, cloud: Cloud): Promise<void> {
  const { account, url } = cloud;
  const clients = othersIn(cloud, REGION, CALLER);
  const module = process.env.BATCHCTL_TEST_AWS_REQUESTS;
  if (module !== undefined) {
    const { watch } = await import(module);
    for (const client of [clients.s3, clients.sqs, clients.iam, clients.ec2, clients.scaling]) watch(client);
  }
  const made = new Map<string, Answers>();
  const place = {
    ...{ partition: 'aws', region: REGION, account },
    made: (id: string, attribute: string | null) => {
      const found = made.get(id);
      const said = attribute === null ? found?.ref : found?.attributes[attribute];
      if (said === undefined) throw new Error(`${id} has no ${attribute ?? 'reference'} yet`);
      return said;
    },
    parameters: (name: string) => parameters.get(name) ?? '',
  };
  const names = new Set(
    [...JSON.stringify(template).matchAll(/\{\{resolve:ssm:(.+?)\}\}/g)].map(([, name = '']) => name),
  );
  const parameters = new Map(await Promise.all([...names].map(async (name) => [name, await parameter(name)] as const)));
  try {
    for (const [id, { Type, Properties }] of Object.entries(template.Resources)) {
      const make = MAKERS[Type];
      if (make === undefined) throw new Error(`${Type} is not made here`);
      made.set(id, await make(resolved(Properties, place) as Properties, clients));
    }
  } finally {
    clients.close();
  }

  async function parameter(Name: string): Promise<string> {
    const { GetParameterCommand, SSMClient } = await import('@aws-sdk/client-ssm');
    const credentials = { accessKeyId: CALLER, secretAccessKey: 'secret' };
    const ssm = new SSMClient({ region: REGION, endpoint: url, credentials });
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name }));
    ssm.destroy();
    return Parameter?.Value ?? '';
  }
}
