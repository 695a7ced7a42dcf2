import { AutoScalingClient, DeleteLifecycleHookCommand } from '@aws-sdk/client-auto-scaling';
import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  RevokeSecurityGroupEgressCommand,
} from '@aws-sdk/client-ec2';
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  IAMClient,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { S3Client } from '@aws-sdk/client-s3';
import { roleName } from '../../src/lib/stack-names.ts';
import type { Cloud } from '../support/grid/cloud.ts';

/** Whose requests are no administrator's. */
export const STRANGER = 'AKIDOTHER';
const ALL = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
});

/** Other people in the account of a stack. */
export class Strangers {
  readonly iam: IAMClient;
  readonly ec2: EC2Client;
  readonly scaling: AutoScalingClient;
  readonly s3: S3Client;

  constructor({ url }: Cloud) {
    const credentials = { accessKeyId: STRANGER, secretAccessKey: 's' };
    const at = { region: 'us-east-1', endpoint: url, credentials };
    this.iam = new IAMClient(at);
    this.ec2 = new EC2Client(at);
    this.scaling = new AutoScalingClient(at);
    this.s3 = new S3Client({ ...at, forcePathStyle: true });
  }

  /** A managed policy that allows everything; answers its ARN. */
  async policy(PolicyName: string): Promise<string> {
    const made = await this.iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument: ALL }));
    return made.Policy?.Arn ?? '';
  }

  /** Changes what `infra up` made: the workers' role, their security group, their group's hook. `other`: a policy. */
  async change(stack: string, other: string): Promise<void> {
    const { iam, scaling } = this;
    const RoleName = roleName(stack, 'worker');
    const trust = ALL.replace('"Action":"*","Resource":"*"', '"Action":"sts:AssumeRole","Principal":{"AWS":"*"}');
    await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust }));
    await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary: other }));
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'batchctl', PolicyDocument: ALL }));
    await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: other }));
    await this.open(RoleName);
    const AutoScalingGroupName = `${stack}-default`;
    const LifecycleHookName = 'batchctl-drain';
    await scaling.send(new DeleteLifecycleHookCommand({ AutoScalingGroupName, LifecycleHookName }));
  }

  /** Lets everybody in by a security group, and nothing else out. */
  async open(name: string): Promise<void> {
    const { ec2 } = this;
    const Filters = [{ Name: 'group-name', Values: [name] }];
    const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({ Filters }));
    const GroupId = SecurityGroups[0]?.GroupId;
    const IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }];
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    const all = SecurityGroups[0]?.IpPermissionsEgress ?? [];
    await ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId, IpPermissions: all }));
    await ec2.send(new AuthorizeSecurityGroupEgressCommand({ GroupId, IpPermissions }));
  }

  close(): void {
    for (const client of [this.iam, this.ec2, this.scaling, this.s3]) client.destroy();
  }
}
