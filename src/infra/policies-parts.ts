import type { Statement } from './policy.ts';
import type { Part } from './resource.ts';

/** Statements of the administrator's policy, by who of several people needs them for their part. */
const NEEDS: Readonly<Record<string, readonly Part[]>> = {
  ListInBucket: ['data', 'grid', 'manager'],
  LookAtBucket: ['data'],
  MakeBucket: ['data'],
  Releases: ['grid', 'manager'],
  LookAtQueues: ['data'],
  FindQueues: ['data'],
  MakeQueues: ['data'],
  MakeDomains: ['data'],
  FormerDomains: ['data'],
  Domains: ['data'],
  Database: ['data'],
  FindRoles: ['iam'],
  LookAtRoles: ['iam'],
  MakeRoles: ['iam'],
  MakeRolesInBounds: ['iam'],
  LookAtBoundary: ['iam'],
  LookAtPolicies: ['iam'],
  LookAtProfiles: ['iam', 'grid', 'manager'],
  MakeProfiles: ['iam'],
  PassRoles: ['iam', 'grid', 'manager'],
  LinkedRoleAutoScaling: ['grid', 'manager'],
  LinkedRoleSpot: ['grid', 'manager'],
  LookAtGrid: ['iam', 'grid', 'manager'],
  LookAtQuotas: ['grid', 'manager'],
  CreateSecurityGroup: ['grid', 'manager'],
  CreateLaunchTemplate: ['grid', 'manager'],
  AllocateAddress: ['manager'],
  MakeInVpc: ['grid', 'manager'],
  TagMade: ['grid', 'manager'],
  ChangeGrid: ['grid', 'manager'],
  MakeGroups: ['grid', 'manager'],
  ChangeGroups: ['grid', 'manager'],
  TagGroups: ['grid', 'manager'],
  StartInstances: ['grid', 'manager'],
  StartFrom: ['grid', 'manager'],
  TagInstances: ['grid', 'manager'],
  Images: ['grid', 'manager'],
  Key: ['grid', 'manager'],
  LookAtKey: ['grid', 'manager'],
};

/** All that a part needs of a statement, where that isn't the whole of it. */
const NARROWER: Readonly<Record<Part, Readonly<Record<string, readonly string[]>>>> = {
  data: {},
  iam: { LookAtGrid: ['autoscaling:DescribeAutoScalingGroups'] },
  grid: { ListInBucket: ['s3:ListBucket'] },
  manager: { ListInBucket: ['s3:ListBucket'], Releases: ['s3:GetObject'] },
};

/** What `infra down` alone asks for, and it knows no parts. */
const OF_DOWN = [
  ...['s3:DeleteBucket', 'sdb:DeleteDomain', 'ec2:DeleteSecurityGroup', 'ec2:DeleteLaunchTemplate'],
  ...['ec2:DisassociateAddress', 'ec2:ReleaseAddress'],
  ...['autoscaling:DeleteAutoScalingGroup', 'autoscaling:SetInstanceProtection'],
];
/** What stands beside it in statements that a part needs, and is another's. */
const OF_OTHERS: Readonly<Record<Part, readonly string[]>> = {
  data: [],
  iam: [],
  grid: ['ec2:AuthorizeSecurityGroupIngress'],
  manager: ['autoscaling:PutLifecycleHook'],
};

/** The administrator's statements, as far as one part's `infra plan`, `up` and `status` need them. */
export function ofPart(statements: readonly Statement[], part: Part): readonly Statement[] {
  const leftOut = [...OF_DOWN, ...OF_OTHERS[part]];
  return statements
    .filter(({ Sid }) => NEEDS[Sid]?.includes(part) === true)
    .map((statement) => ({
      ...statement,
      Action: NARROWER[part][statement.Sid] ?? statement.Action.filter((action) => !leftOut.includes(action)),
    }));
}
