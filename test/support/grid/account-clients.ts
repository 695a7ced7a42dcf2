import { AutoScaling, type InstancesDistribution, type MixedInstancesPolicy } from '@aws-sdk/client-auto-scaling';
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { ENDPOINTS } from '../../../src/config/endpoints.ts';
import { STACK_TAG } from '../../../src/lib/stack-names.ts';
import type { Cloud } from './cloud.ts';

/** Clients of an emulated account that don't belong to batchctl. */
export interface AccountClients {
  readonly s3: S3;
  readonly sqs: SQS;
  readonly iam: IAM;
  readonly ec2: EC2;
  readonly scaling: AutoScaling;
  close(): void;
}

interface ClientOptions {
  readonly region?: string;
  /** Recorded with each request (`CloudCall.accessKeyId`). By default, another person's than the user of batchctl. */
  readonly accessKeyId?: string;
  readonly maxAttempts?: number;
}

/** What a client of the SDK needs. The emulators accept any credentials. */
export const clientConfig = ({ url }: Pick<Cloud, 'url'>, options: ClientOptions = {}) => {
  const { region = 'us-east-1', accessKeyId = 'AKIDOTHER', maxAttempts = 3 } = options;
  return { region, endpoint: url, maxAttempts, credentials: { accessKeyId, secretAccessKey: 'secret' } };
};

export function accountClients(cloud: Pick<Cloud, 'url'>, options: ClientOptions = {}): AccountClients {
  const config = clientConfig(cloud, options);
  const clients = {
    s3: new S3({ ...config, forcePathStyle: true }),
    sqs: new SQS(config),
    iam: new IAM(config),
    ec2: new EC2(config),
    scaling: new AutoScaling(config),
  };
  const close = (): void => {
    for (const client of Object.values(clients)) client.destroy();
  };
  return { ...clients, close };
}

/** The cloud as the endpoint of every service, for a profile or for `AwsClients`. */
export const endpointsOf = ({
  url,
}: Pick<Cloud, 'url'>): Readonly<Partial<Record<(typeof ENDPOINTS)[number], string>>> =>
  Object.fromEntries(ENDPOINTS.map((service) => [service, url]));

type With<Service extends keyof AccountClients> = Pick<AccountClients, Service>;

const ALLOW_ALL = { Effect: 'Allow', Action: '*', Resource: '*' };

/** Creates a managed policy, which allows everything unless it is given statements. Returns its ARN. */
export async function createPolicy({ iam }: With<'iam'>, name: string, ...statements: readonly object[]) {
  const Statement = statements.length > 0 ? statements : [ALLOW_ALL];
  const document = JSON.stringify({ Version: '2012-10-17', Statement });
  const { Policy } = await iam.createPolicy({ PolicyName: name, PolicyDocument: document });
  return Policy?.Arn ?? '';
}

/** Creates a role that a service may assume. */
export async function createRole({ iam }: With<'iam'>, name: string, service = 'ec2.amazonaws.com'): Promise<void> {
  await iam.createRole({ RoleName: name, AssumeRolePolicyDocument: trustDocument(service) });
}

export const trustDocument = (service: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
  });

export const findScalingGroup = async ({ scaling }: With<'scaling'>, name: string) =>
  (await scaling.describeAutoScalingGroups({ AutoScalingGroupNames: [name] })).AutoScalingGroups?.[0];

export const findSecurityGroup = async ({ ec2 }: With<'ec2'>, name: string) =>
  (await ec2.describeSecurityGroups({ Filters: [{ Name: 'group-name', Values: [name] }] })).SecurityGroups?.[0];

/** The data of a version of a launch template. */
export async function findTemplateData({ ec2 }: With<'ec2'>, name: string, version = '$Latest') {
  const found = await ec2.describeLaunchTemplateVersions({ LaunchTemplateName: name, Versions: [version] });
  return found.LaunchTemplateVersions?.[0]?.LaunchTemplateData ?? {};
}

/** The Elastic IPs that have a stack's tag. */
export const findAddresses = async ({ ec2 }: With<'ec2'>, stack: string) =>
  (await ec2.describeAddresses({ Filters: [{ Name: `tag:${STACK_TAG}`, Values: [stack] }] })).Addresses ?? [];

/** The id of the instance that an Elastic IP is associated with. */
export const addressHolder = async ({ ec2 }: With<'ec2'>, allocation: string) =>
  (await ec2.describeAddresses({ AllocationIds: [allocation] })).Addresses?.[0]?.InstanceId;

/** The setting of a group that launches these types from a launch template. */
export const mixedPolicy = (
  template: string,
  types: readonly string[],
  InstancesDistribution?: InstancesDistribution,
): MixedInstancesPolicy => ({
  LaunchTemplate: {
    LaunchTemplateSpecification: { LaunchTemplateName: template, Version: '1' },
    Overrides: types.map((InstanceType) => ({ InstanceType })),
  },
  InstancesDistribution,
});

/** The setting of a group that buys spot instances, after `base` on-demand ones. */
export const spotDistribution = (base: number): InstancesDistribution => ({
  OnDemandAllocationStrategy: 'prioritized',
  OnDemandBaseCapacity: base,
  OnDemandPercentageAboveBaseCapacity: 0,
  SpotAllocationStrategy: 'price-capacity-optimized',
});
