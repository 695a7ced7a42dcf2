import type { PolicyDocument } from '../../src/infra/policy.ts';
import { HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { allows } from '../support/iam.ts';

export const OWN_ACCOUNT = '123456789012';
export const BOUNDARY = `arn:aws:iam::${OWN_ACCOUNT}:policy/edge`;

/** A stack, as other people of the account see it. */
export interface Stack {
  readonly stack: string;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
}

export const OURS: Stack = { stack: 'month-end', region: 'eu-west-1', bucket: 'acme', prefix: 'batchctl/' };

/** Other stacks of the account whose names are the same as far as AWS allows it. */
export const OTHERS: Readonly<Record<string, Stack>> = {
  'of the same name in another region': { ...OURS, region: 'us-west-2', bucket: 'acme-us' },
  'of the same name in another bucket': { ...OURS, bucket: 'acme-2' },
  'of the same name below another prefix': { ...OURS, prefix: 'theirs/' },
  'whose name begins with this one': { ...OURS, stack: 'month-end-two', prefix: 'batchctl/2/', bucket: 'acme-2' },
};

interface Held {
  readonly kind: string;
  readonly arn: string;
  /** Null: resources of this kind have no tags that policies can compare. */
  readonly tags: Readonly<Record<string, string>> | null;
}

/** One resource of each kind that a stack has. */
export function resourcesOf({ stack, region, bucket, prefix }: Stack): readonly Held[] {
  const at = (service: string, resource: string): string => `arn:aws:${service}:${region}:${OWN_ACCOUNT}:${resource}`;
  const group = (name: string): string => at('autoscaling', `autoScalingGroup:0f-1:autoScalingGroupName/${name}`);
  const own = {
    [`aws:ResourceTag/${STACK_TAG}`]: stack,
    [`aws:ResourceTag/${HOME_TAG}`]: `${region}/${bucket}/${prefix}`,
  };
  const tagged = (kind: string, arn: string): Held => ({ kind, arn, tags: own });
  const untagged = (kind: string, arn: string): Held => ({ kind, arn, tags: null });
  const objects = ['data/a', 'releases/0000.json', 'jobs/j/steps/s/out/0', 'jobs/j/steps/s/files/0', 'open/j'].map(
    (key) => untagged('object', `arn:aws:s3:::${bucket}/${prefix}${key}`),
  );
  return [
    untagged('bucket', `arn:aws:s3:::${bucket}`),
    ...objects,
    untagged('domain', at('sdb', `domain/${stack}-0`)),
    tagged('queue', at('sqs', `${stack}-default`)),
    tagged('queue', at('sqs', `${stack}-default-dead`)),
    ...['worker', 'manager'].flatMap((who) => [
      tagged('role', `arn:aws:iam::${OWN_ACCOUNT}:role/${stack}-${who}`),
      tagged('profile', `arn:aws:iam::${OWN_ACCOUNT}:instance-profile/${stack}-${who}`),
    ]),
    ...['security-group/sg-1', 'launch-template/lt-1', 'elastic-ip/e-1'].map((name) =>
      tagged(name.replace(/\/.*/, ''), at('ec2', name)),
    ),
    ...['instance/i-1', 'volume/vol-1', 'network-interface/eni-1'].map((name) =>
      tagged(name.replace(/\/.*/, ''), at('ec2', name)),
    ),
    tagged('group', group(`${stack}-default`)),
    tagged('group', group(`${stack}-manager`)),
  ];
}

/** What every request says that is as it should be, apart from the resource. */
const REQUEST = { 'iam:PassedToService': 'ec2.amazonaws.com', 'iam:PermissionsBoundary': BOUNDARY };

/** Each action with each resource of a stack that a policy allows: `sqs:SendMessage queue`. */
export function allowedOn(policy: PolicyDocument, stack: Stack): readonly string[] {
  const actions = [...new Set(policy.Statement.flatMap(({ Action }) => Action))];
  const found = resourcesOf(stack).flatMap(({ kind, arn, tags }) =>
    actions
      .filter((action) => allows(policy, { action, resource: arn, context: { ...REQUEST, ...tags } }))
      // Such actions have no resource, so their statement is about all.
      .filter((action) => !isOfNothing(policy, action))
      .map((action) => `${action} ${kind}`),
  );
  return [...new Set(found)].sort();
}

/** Whether an action is granted only on `*`: it only looks. */
const isOfNothing = (policy: PolicyDocument, action: string): boolean =>
  policy.Statement.filter(({ Action }) => Action.includes(action)).every(({ Resource }) => Resource.includes('*'));

/** Whether an action changes, takes or removes something. */
export const isChange = (allowed: string): boolean => !/^\w+:(Get|List|Describe|Select)/.test(allowed);
