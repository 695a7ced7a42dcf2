import type { Tag } from '@aws-sdk/client-ec2';
import { STACK_TAG } from '../../../src/lib/stack-names.ts';
import { type AccountClients, accountClients } from './account-clients.ts';
import type { Cloud } from './cloud.ts';

/** Everything that was created in an account, whatever its tags, as `kind name`. */
export async function leftovers(cloud: Cloud): Promise<readonly string[]> {
  const auditor = accountClients(cloud, { accessKeyId: 'AKIDAUDITOR' });
  try {
    return await listResources(auditor);
  } finally {
    auditor.close();
  }
}

/** The same, limited to a stack: its name begins the resource's name, or is the value of its tag. */
export async function stackLeftovers(stack: string, clients: AccountClients): Promise<readonly string[]> {
  return (await listResources(clients, stack)).filter((text) => text.includes(` ${stack}`)).sort();
}

/**
 * Resources without a name are listed by their stack. Of queues, only those are listed whose names begin with
 * `queuePrefix`, because SQS lists at most a thousand.
 */
async function listResources(clients: AccountClients, queuePrefix?: string): Promise<readonly string[]> {
  const { s3, sqs, iam, ec2, scaling } = clients;
  const { Buckets = [] } = await s3.listBuckets({});
  const { QueueUrls = [] } = await sqs.listQueues({ QueueNamePrefix: queuePrefix });
  const { Roles = [] } = await iam.listRoles({});
  const { InstanceProfiles = [] } = await iam.listInstanceProfiles({});
  const { AutoScalingGroups = [] } = await scaling.describeAutoScalingGroups({});
  const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({});
  const { SecurityGroups = [] } = await ec2.describeSecurityGroups({});
  const { Addresses = [] } = await ec2.describeAddresses({});
  const { Reservations = [] } = await ec2.describeInstances({});
  const { Volumes = [] } = await ec2.describeVolumes({});
  const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({});
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
  return [
    ...Buckets.map(({ Name }) => `bucket ${Name}`),
    ...QueueUrls.map((url) => `queue ${url.slice(url.lastIndexOf('/') + 1)}`),
    ...Roles.map(({ RoleName }) => `role ${RoleName}`),
    ...InstanceProfiles.map(({ InstanceProfileName }) => `profile ${InstanceProfileName}`),
    ...AutoScalingGroups.map(({ AutoScalingGroupName }) => `group ${AutoScalingGroupName}`),
    ...LaunchTemplates.map(({ LaunchTemplateName }) => `launchTemplate ${LaunchTemplateName}`),
    // Every VPC has a group named `default`.
    ...SecurityGroups.filter(({ GroupName }) => GroupName !== 'default').map((one) => `securityGroup ${one.GroupName}`),
    ...Addresses.map(({ Tags, PublicIp }) => `address ${stackOf(Tags) ?? PublicIp}`),
    ...instances
      .filter(({ State }) => State?.Name !== 'terminated')
      .map(({ Tags, InstanceId }) => `instance ${stackOf(Tags) ?? InstanceId}`),
    ...Volumes.map(({ VolumeId }) => `volume ${VolumeId}`),
    ...NetworkInterfaces.map(({ NetworkInterfaceId }) => `interface ${NetworkInterfaceId}`),
  ];
}

const stackOf = (tags: readonly Tag[] = []): string | undefined => tags.find(({ Key }) => Key === STACK_TAG)?.Value;
