import type { AwsProfile } from '../config.ts';
import type { Arns } from './arns.ts';
import { forStack, ofNoOther, ofStack, quotas } from './policies-shared.ts';
import { allow, type Statement } from './policy.ts';

/** EC2 and Auto Scaling know no resource of these (service authorization reference). */
const LOOK = [
  ...['Subnets', 'Vpcs', 'SecurityGroups', 'LaunchTemplates', 'LaunchTemplateVersions', 'Images', 'InstanceTypes'],
  ...['InstanceTypeOfferings', 'RouteTables', 'VpcEndpoints', 'Instances', 'Volumes', 'NetworkInterfaces', 'Addresses'],
].map((what) => `ec2:Describe${what}`);
const LOOK_AT_GROUPS = ['AutoScalingGroups', 'LifecycleHooks'].map((what) => `autoscaling:Describe${what}`);
/** What is made with the stack's tag, and by which action it is made. */
const MADE = [
  ['ec2:CreateSecurityGroup', 'security-group/*'],
  ['ec2:CreateLaunchTemplate', 'launch-template/*'],
  ['ec2:AllocateAddress', 'elastic-ip/*'],
] as const;
const CHANGE = [
  ...['ec2:AuthorizeSecurityGroupIngress', 'ec2:AuthorizeSecurityGroupEgress', 'ec2:RevokeSecurityGroupIngress'],
  ...['ec2:RevokeSecurityGroupEgress', 'ec2:DeleteSecurityGroup'],
  ...['ec2:CreateLaunchTemplateVersion', 'ec2:DeleteLaunchTemplateVersions', 'ec2:DeleteLaunchTemplate'],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'],
];
const GROUP = [
  ...['autoscaling:UpdateAutoScalingGroup', 'autoscaling:DeleteAutoScalingGroup', 'autoscaling:PutLifecycleHook'],
  ...['autoscaling:EnableMetricsCollection', 'autoscaling:SuspendProcesses', 'autoscaling:SetInstanceProtection'],
];

/** Of the grid: what the stack made, by its tag, and nothing else. */
export function gridPolicy(profile: AwsProfile, arns: Arns): readonly Statement[] {
  const made = [...new Set(MADE.map(([, resource]) => arns.ec2(resource)))];
  const groups = [arns.group(`${profile.stack}-*`)];
  return [
    allow('LookAtGrid', [...LOOK, ...LOOK_AT_GROUPS], ['*']),
    quotas(arns),
    ...MADE.map(([action, resource]) =>
      allow(action.slice('ec2:'.length), [action], [arns.ec2(resource)], forStack(profile)),
    ),
    // A security group is made in a VPC, which is somebody else's.
    allow('MakeInVpc', ['ec2:CreateSecurityGroup'], [arns.ec2('vpc/*')]),
    allow('TagMade', ['ec2:CreateTags'], made, {
      StringEquals: { 'ec2:CreateAction': MADE.map(([action]) => action.slice('ec2:'.length)) },
    }),
    allow('ChangeGrid', [...CHANGE, 'ec2:CreateTags'], made, ofStack(profile)),
    // The address is the stack's own, by its tag; what has it may be an interface that a person gave it to.
    allow('TakeAddressBack', ['ec2:DisassociateAddress'], [arns.ec2('network-interface/*')], ofNoOther(profile)),
    allow('MakeGroups', ['autoscaling:CreateAutoScalingGroup'], groups, forStack(profile)),
    allow('ChangeGroups', GROUP, groups, ofStack(profile)),
    // Making the group, its tags are judged as tags too; there is none yet that the group could be known by. Groups of
    // `month-end-2` have names that begin as those of `month-end`: who could tag them could have them.
    allow('TagGroups', ['autoscaling:CreateOrUpdateTags'], groups, ofNoOther(profile)),
    // A group that starts instances from a template asks whether who makes it may (EC2 Auto Scaling: launch templates).
    allow(
      'StartInstances',
      ['ec2:RunInstances'],
      INSTANCE.map((of) => arns.ec2(of)),
      forStack(profile),
    ),
    allow(
      'StartFrom',
      ['ec2:RunInstances'],
      [
        ...['launch-template/*', 'subnet/*', 'security-group/*'].map((of) => arns.ec2(of)),
        arns.public('ec2', 'image/*'),
      ],
    ),
    allow(
      'TagInstances',
      ['ec2:CreateTags'],
      INSTANCE.map((of) => arns.ec2(of)),
      {
        StringEquals: { 'ec2:CreateAction': ['RunInstances'] },
      },
    ),
    ...images(profile, arns),
  ];
}

const INSTANCE = ['instance/*', 'volume/*', 'network-interface/*'];

/** The parameters that name the machine images: AWS's own, or those of the groups. */
function images({ groups }: AwsProfile, arns: Arns): readonly Statement[] {
  const amis = Object.values(groups).map(({ ami }) => ami);
  const own = amis.flatMap((ami) => (ami?.startsWith('ssm:') ? [ami.slice('ssm:'.length)] : []));
  const public_ = own.filter((name) => name.startsWith('/aws/service/'));
  return [
    allow(
      'Images',
      ['ssm:GetParameter'],
      [
        arns.public('ssm', 'parameter/aws/service/ami-amazon-linux-latest/*'),
        ...public_.map((name) => arns.public('ssm', `parameter${name}`)),
        ...own.filter((name) => !public_.includes(name)).map((name) => arns.parameter(name)),
      ],
    ),
  ];
}
