import type { Known } from './grid/front.ts';
import type { Call } from './iam.ts';

/** The facts about a request that the recorder can't see. */
export interface RequestFacts {
  readonly account: string;
  /** The region of the request. */
  readonly region: string;
  /** The stack whose tag the named resources have, unless `CloudCall.known` says otherwise. */
  readonly stack: string;
  /** The boundary of the stack's roles. */
  readonly boundary?: string;
  /** The KMS key that encrypts an object, `BUCKET/KEY`; absent: none does. */
  readonly keyOf?: (object: string) => string | null;
  /** That of the object which the request puts, if it is not what `keyOf` says. */
  readonly putKey?: string;
  /** The Auto Scaling group that holds an instance. */
  readonly groupOf?: (instance: string) => string;
}

/**
 * The permissions that a request to EC2, Auto Scaling or IAM needs (service authorization reference). It is judged by
 * `known`; if that is undefined, all named resources are assumed to have the stack's tag.
 */
export function queryCalls(
  service: 'ec2' | 'autoscaling' | 'iam',
  form: URLSearchParams,
  facts: RequestFacts,
  known?: Known,
): Call[] {
  const action = form.get('Action') ?? '';
  // EC2 and Auto Scaling have no resources for actions that read.
  if (service !== 'iam' && /^(Describe|Get)/.test(action)) {
    return [{ action: `${service}:${action}`, resource: '*', context: {} }];
  }
  if (service === 'ec2') return ec2Calls(action, form, facts, known);
  return service === 'iam' ? iamCalls(action, form, facts, known) : scalingCalls(action, form, facts, known);
}

/** The tags of an existing resource, as context keys. */
export const resourceTags = (name: string, stack: string, known?: Known): Record<string, string> => {
  return asResource(known === undefined ? { 'batchctl:stack': stack } : known.tags?.[name]);
};

const asResource = (tags: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));

const ec2Arn = ({ account, region }: RequestFacts, resource: string): string =>
  `arn:aws:ec2:${region}:${resource.startsWith('image/') ? '' : account}:${resource}`;

/** The kinds of resources, by the actions that create them. */
const CREATED: Readonly<Record<string, string>> = {
  CreateLaunchTemplate: 'launch-template',
  CreateSecurityGroup: 'security-group',
  AllocateAddress: 'elastic-ip',
};
const KINDS: Readonly<Record<string, string>> = { sg: 'security-group', lt: 'launch-template', eipalloc: 'elastic-ip' };

function ec2Calls(action: string, form: URLSearchParams, facts: RequestFacts, known?: Known): Call[] {
  const created = CREATED[action];
  if (created !== undefined) {
    const request = requestTags(form);
    const resource = ec2Arn(facts, `${created}/*`);
    const vpc = form.get('VpcId');
    return [
      { action: `ec2:${action}`, resource, context: request },
      ...(vpc === null ? [] : [{ action: `ec2:${action}`, resource: ec2Arn(facts, `vpc/${vpc}`), context: {} }]),
      { action: 'ec2:CreateTags', resource, context: { ...request, 'ec2:CreateAction': action } },
    ];
  }
  const named = [...form].flatMap(([name, value]) =>
    /^(GroupId|LaunchTemplateId|AllocationId|InstanceId|NetworkInterfaceId|ResourceId\.\d+)$/.test(name) ? [value] : [],
  );
  const ids = known === undefined ? named : Object.keys(known.tags ?? {});
  // The request names only the association, not its address.
  if (ids.length === 0 && action === 'DisassociateAddress') ids.push('eipalloc-0', 'eni-0');
  if (ids.length === 0) throw new Error(`${action} names no resource: ${form}`);
  return ids.map((id) => {
    const kind = id.slice(0, id.indexOf('-'));
    const resource = `${KINDS[kind] ?? (kind === 'i' ? 'instance' : 'network-interface')}/${id}`;
    const context = { ...resourceTags(id, facts.stack, known), ...(action === 'CreateTags' && requestTags(form)) };
    return { action: `ec2:${action}`, resource: ec2Arn(facts, resource), context };
  });
}

/** The tags that a request sets, as context keys. */
function requestTags(form: URLSearchParams): Record<string, string> {
  const context: Record<string, string> = {};
  for (const [name, key] of form) {
    const value = form.get(name.replace(/\.Key$/, '.Value'));
    if (name.endsWith('.Key') && value !== null) context[`aws:RequestTag/${key}`] = value;
  }
  return context;
}

function scalingCalls(action: string, form: URLSearchParams, facts: RequestFacts, known?: Known): Call[] {
  const { account, stack, groupOf, region } = facts;
  const instance = form.get('InstanceId') ?? '';
  const named = form.get('AutoScalingGroupName') ?? form.get('Tags.member.1.ResourceId');
  const group = known?.group ?? named ?? groupOf?.(instance) ?? `${stack}-default`;
  const resource = `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:1-2:autoScalingGroupName/${group}`;
  const isNew = action === 'CreateAutoScalingGroup';
  const context = isNew ? requestTags(form) : resourceTags(group, stack, known);
  const own: Call = { action: `autoscaling:${action}`, resource, context };
  const launches = [...form.keys()].some((name) => name.includes('LaunchTemplate'));
  return [
    own,
    ...(isNew ? [{ ...own, action: 'autoscaling:CreateOrUpdateTags' }, ...linkedRoles(form, account)] : []),
    ...(launches ? launchCalls(group, facts, known) : []),
  ];
}

/** The creator of a group must be allowed to launch what its template describes (EC2 Auto Scaling: launch templates). */
function launchCalls(group: string, facts: RequestFacts, known?: Known): Call[] {
  const run = (resource: string, context = {}): Call => {
    return { action: 'ec2:RunInstances', resource: ec2Arn(facts, resource), context };
  };
  const ofStack = { 'batchctl:stack': facts.stack };
  const role = group === `${facts.stack}-manager` ? 'manager' : 'worker';
  const launched = ['instance', 'volume', 'network-interface'].map((kind) => {
    const tags = known === undefined ? ofStack : (known.launches?.[kind] ?? {});
    const context = Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value]));
    return { resource: `${kind}/*`, context };
  });
  return [
    ...launched.map(({ resource, context }) => run(resource, context)),
    run('launch-template/lt-1', asResource(known === undefined ? ofStack : known.launches?.template)),
    ...['image/ami-1', 'subnet/subnet-1', 'security-group/sg-1'].map((each) => run(each)),
    ...launched.map(({ resource, context }) => ({
      action: 'ec2:CreateTags',
      resource: ec2Arn(facts, resource),
      context: { ...context, 'ec2:CreateAction': 'RunInstances' },
    })),
    passRole(known?.role ?? `${facts.stack}-${role}`, facts),
  ];
}

function linkedRoles(form: URLSearchParams, account: string): Call[] {
  const isMixed = [...form.keys()].some((name) => name.startsWith('MixedInstancesPolicy'));
  return ['autoscaling', ...(isMixed ? ['spot'] : [])].map((service) => ({
    action: 'iam:CreateServiceLinkedRole',
    resource: `arn:aws:iam::${account}:role/aws-service-role/${service}.amazonaws.com/AWSServiceRoleFor`,
    context: { 'iam:AWSServiceName': `${service}.amazonaws.com` },
  }));
}

const passRole = (role: string, { account }: RequestFacts): Call => ({
  action: 'iam:PassRole',
  resource: `arn:aws:iam::${account}:role/${role}`,
  context: { 'iam:PassedToService': 'ec2.amazonaws.com' },
});

function iamCalls(action: string, form: URLSearchParams, facts: RequestFacts, known?: Known): Call[] {
  const { account } = facts;
  const boundary = known === undefined ? facts.boundary : (known.boundary ?? undefined);
  const [role, profile, policy] = ['RoleName', 'InstanceProfileName', 'PolicyArn'].map((name) => form.get(name));
  const path = profile !== null ? `instance-profile/${profile}` : `role/${role}`;
  const isOfPolicy = /^Get(Policy|PolicyVersion)$/.test(action);
  const resource = isOfPolicy ? (policy ?? '') : `arn:aws:iam::${account}:${path}`;
  const set = form.get('PermissionsBoundary') ?? (action === 'CreateRole' ? undefined : boundary);
  const context = {
    // Reading needs no tags, and passing a role ignores them (IAM: id_roles_use_passrole).
    ...(known !== undefined && resourceTags(path, facts.stack, known)),
    ...(set !== undefined && { 'iam:PermissionsBoundary': set }),
  };
  const own: Call = { action: `iam:${action}`, resource, context };
  const isTagged = form.has('Tags.member.1.Key');
  const tagging = { CreateRole: 'iam:TagRole', CreateInstanceProfile: 'iam:TagInstanceProfile' }[action];
  return [
    own,
    ...(isTagged && tagging !== undefined ? [{ ...own, action: tagging }] : []),
    ...(action === 'AddRoleToInstanceProfile' ? [passRole(role ?? '', facts)] : []),
  ];
}
