import { DeleteLifecycleHookCommand } from '@aws-sdk/client-auto-scaling';
import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { roleName } from '../../src/lib/stack-names.ts';
import type { Others } from '../support/grid/leftovers.ts';

/** Whose requests are no administrator's. */
export const STRANGER = 'AKIDOTHER';
const ALL = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});

/** A managed policy that allows everything; answers its ARN. */
export async function policyOfAll({ iam }: Others, PolicyName: string): Promise<string> {
  const made = await iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument: ALL }));
  return made.Policy?.Arn ?? '';
}

/** Changes what `infra up` made: the workers' role, their security group, their group's hook. `other`: a policy. */
export async function changeStack(others: Others, stack: string, other: string): Promise<void> {
  const { iam, scaling } = others;
  const RoleName = roleName(stack, 'worker');
  const trust = ALL.replace('"Action":"*","Resource":"*"', '"Action":"sts:AssumeRole","Principal":{"AWS":"*"}');
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
  await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: other }));
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'batchctl', PolicyDocument: ALL }));
  await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: other }));
  await openToAll(others, RoleName);
  const AutoScalingGroupName = `${stack}-default`;
  const LifecycleHookName = 'batchctl-drain';
  await scaling.send(new DeleteLifecycleHookCommand({ AutoScalingGroupName, LifecycleHookName }));
}

/** Lets everybody in by a security group, and nothing else out. */
export async function openToAll({ ec2 }: Others, name: string): Promise<void> {
  const Filters = [{ Name: 'group-name', Values: [name] }];
  const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({ Filters }));
  const GroupId = SecurityGroups[0]?.GroupId;
  const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }];
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
  const all = SecurityGroups[0]?.IpPermissionsEgress ?? [];
  await ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }));
  await ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions }));
}
