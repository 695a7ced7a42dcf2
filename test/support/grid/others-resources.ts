import { expect } from 'chai';
import { type AccountClients, createRole } from './account-clients.ts';

/** Makes a role for instances, and an instance profile with it, as a person does by hand. */
export async function giveRole({ iam }: AccountClients, name: string, policy: object): Promise<void> {
  await createRole({ iam }, name);
  await iam.putRolePolicy({ RoleName: name, PolicyName: 'work', PolicyDocument: JSON.stringify(policy) });
  await iam.createInstanceProfile({ InstanceProfileName: name });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: name, RoleName: name });
}

type Attempt = readonly [what: string, act: () => Promise<unknown>];

/** A change of each kind of resource of a stack by someone; `owner` finds out what the resources are. */
export async function changesOf(
  owner: AccountClients,
  { s3, sqs, iam, ec2, scaling }: AccountClients,
  {
    stack,
    bucket,
    role = `${stack}-worker`,
  }: { readonly stack: string; readonly bucket: string; readonly role?: string },
): Promise<readonly Attempt[]> {
  const Named = [{ Name: 'group-name', Values: [`${stack}-worker`] }];
  const { SecurityGroups: [{ GroupId } = {}] = [] } = await owner.ec2.describeSecurityGroups({ Filters: Named });
  const { LaunchTemplates: [{ LaunchTemplateId } = {}] = [] } = await owner.ec2.describeLaunchTemplates({
    LaunchTemplateNames: [`${stack}-default`],
  });
  const { QueueUrl } = await owner.sqs.getQueueUrl({ QueueName: `${stack}-default` });
  const { Contents: [{ Key } = {}] = [] } = await owner.s3.listObjectsV2({ Bucket: bucket });
  const AutoScalingGroupName = `${stack}-default`;
  expect([GroupId, LaunchTemplateId, QueueUrl, Key]).not.to.include(undefined);
  return [
    ['an object read', () => s3.getObject({ Bucket: bucket, Key })],
    ['an object written', () => s3.putObject({ Bucket: bucket, Key, Body: 'x' })],
    ['an object removed', () => s3.deleteObject({ Bucket: bucket, Key })],
    ['the bucket removed', () => s3.deleteBucket({ Bucket: bucket })],
    ['the bucket listed', () => s3.listObjectsV2({ Bucket: bucket })],
    ['a message sent', () => sqs.sendMessage({ QueueUrl, MessageBody: 'x' })],
    ['messages taken', () => sqs.receiveMessage({ QueueUrl })],
    ['a queue purged', () => sqs.purgeQueue({ QueueUrl })],
    ['a queue changed', () => sqs.setQueueAttributes({ QueueUrl, Attributes: { VisibilityTimeout: '1' } })],
    ['a queue removed', () => sqs.deleteQueue({ QueueUrl })],
    ['a group resized', () => scaling.setDesiredCapacity({ AutoScalingGroupName, DesiredCapacity: 1 })],
    ['a group changed', () => scaling.updateAutoScalingGroup({ AutoScalingGroupName, MaxSize: 0 })],
    ['a group removed', () => scaling.deleteAutoScalingGroup({ AutoScalingGroupName })],
    ['a template removed', () => ec2.deleteLaunchTemplate({ LaunchTemplateId })],
    ['a security group removed', () => ec2.deleteSecurityGroup({ GroupId })],
    ['a tag set', () => ec2.createTags({ Resources: [LaunchTemplateId ?? ''], Tags: [{ Key: 'a', Value: 'b' }] })],
    [
      'a role changed',
      () => iam.putRolePolicy({ RoleName: role, PolicyName: 'batchctl', PolicyDocument: '{"Version":"2012-10-17"}' }),
    ],
    ['a role removed', () => iam.deleteRole({ RoleName: role })],
    ['a profile removed', () => iam.deleteInstanceProfile({ InstanceProfileName: role })],
  ];
}
