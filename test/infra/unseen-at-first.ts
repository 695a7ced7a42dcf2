import { errorFor } from '../support/grid/faults.ts';
import type { CloudRequest, Reply } from '../support/grid/front.ts';
import { Form } from '../support/grid/query.ts';
import { placeOf, type Rule } from '../support/servers/hostile-aws.ts';

/** A kind of resource, and the requests that don't find a new one at first. */
interface UnseenResource {
  readonly created: string;
  /** Whether such a request creates it, if the action isn't enough to tell. */
  readonly isCreation?: (call: CloudRequest) => boolean;
  readonly nameOf: (call: CloudRequest, reply: Reply) => string;
  /** The actions that don't find it. */
  readonly requests: RegExp;
  /** Whether such a request names it. */
  readonly mentions?: (call: CloudRequest, name: string) => boolean;
  readonly answer: (call: CloudRequest, name: string) => Reply;
}

const queueName = ({ body }: CloudRequest): string => String(JSON.parse(body).QueueName);
const field = (name: string) => (call: CloudRequest) => Form.parse(call.body).text(name) ?? '';
const holds = (call: CloudRequest, name: string): boolean =>
  [...new URLSearchParams(call.body).values()].includes(name) || call.body.includes(`"${name}"`);
const idIn =
  (element: string) =>
  (_: CloudRequest, { body }: Reply): string =>
    new RegExp(`<${element}>([^<]*)<`).exec(body.toString())?.[1] ?? '';
/** An error response; `%` in the message stands for the name. */
const errorResponse =
  (status: number, code: string, message: string) =>
  ({ service }: CloudRequest, name: string): Reply =>
    errorFor(service, status, code, message.replace('%', name));
/** An empty list. */
const emptyResponse =
  (namespace: string, inner: string) =>
  ({ action }: CloudRequest): Reply => ({
    status: 200,
    headers: { 'content-type': 'text/xml' },
    body: Buffer.from(`<${action}Response xmlns="http://${namespace}/">${inner}</${action}Response>`),
  });
const EC2 = 'ec2.amazonaws.com/doc/2016-11-15';
const NO_TEMPLATE = 'You must use a valid fully-formed launch template.';
const NO_PROFILE = 'Value (%) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name';

const UNSEEN: readonly UnseenResource[] = [
  {
    created: 'iam:CreateRole',
    nameOf: field('RoleName'),
    requests: /^iam:(GetRole|GetRolePolicy|PutRolePolicy|TagRole|AddRoleToInstanceProfile)$/,
    answer: errorResponse(404, 'NoSuchEntity', 'The role with name % cannot be found.'),
  },
  {
    created: 'iam:CreateInstanceProfile',
    nameOf: field('InstanceProfileName'),
    requests: /^iam:(GetInstanceProfile|AddRoleToInstanceProfile|TagInstanceProfile)$/,
    answer: errorResponse(404, 'NoSuchEntity', 'Instance Profile % cannot be found.'),
  },
  {
    // EC2UG/iam-roles-for-amazon-ec2: a new profile takes a while. Only the group's template names it, not the request.
    created: 'iam:AddRoleToInstanceProfile',
    nameOf: field('InstanceProfileName'),
    mentions: () => true,
    requests: /^autoscaling:CreateAutoScalingGroup$/,
    answer: errorResponse(400, 'ValidationError', `${NO_TEMPLATE} ${NO_PROFILE}`),
  },
  {
    created: 'ec2:CreateSecurityGroup',
    nameOf: field('GroupName'),
    requests: /^ec2:DescribeSecurityGroups$/,
    answer: emptyResponse(EC2, '<securityGroupInfo/>'),
  },
  {
    created: 'ec2:CreateSecurityGroup',
    nameOf: idIn('groupId'),
    requests: /^ec2:AuthorizeSecurityGroup(In|E)gress$/,
    answer: errorResponse(400, 'InvalidGroup.NotFound', "The security group '%' does not exist"),
  },
  {
    created: 'ec2:CreateLaunchTemplate',
    nameOf: idIn('launchTemplateId'),
    requests: /^autoscaling:CreateAutoScalingGroup$/,
    answer: errorResponse(
      400,
      'ValidationError',
      `${NO_TEMPLATE} The specified launch template, with template ID %, does not exist.`,
    ),
  },
  {
    created: 'ec2:CreateLaunchTemplate',
    nameOf: field('LaunchTemplateName'),
    requests: /^ec2:DescribeLaunchTemplates$/,
    answer: errorResponse(
      400,
      'InvalidLaunchTemplateName.NotFoundException',
      'At least one of the launch templates specified in the request does not exist.',
    ),
  },
  {
    created: 'ec2:AllocateAddress',
    nameOf: () => 'Filter',
    requests: /^ec2:DescribeAddresses$/,
    mentions: () => true,
    answer: emptyResponse(EC2, '<addressesSet/>'),
  },
  {
    created: 'autoscaling:CreateAutoScalingGroup',
    nameOf: field('AutoScalingGroupName'),
    requests: /^autoscaling:DescribeAutoScalingGroups$/,
    answer: emptyResponse(
      'autoscaling.amazonaws.com/doc/2011-01-01',
      '<DescribeAutoScalingGroupsResult><AutoScalingGroups/></DescribeAutoScalingGroupsResult>',
    ),
  },
  {
    created: 's3:PUT',
    isCreation: (call) => placeOf(call).key === '' && call.url.search === '',
    nameOf: (call) => placeOf(call).bucket,
    requests: /^s3:/,
    mentions: (call, name) => placeOf(call).bucket === name && placeOf(call).key === '',
    answer: errorResponse(404, 'NoSuchBucket', 'The specified bucket does not exist'),
  },
  {
    // SQS/API_CreateQueue: a queue can be used a second after its creation.
    created: 'sqs:CreateQueue',
    nameOf: queueName,
    requests: /^sqs:GetQueueAttributes$/,
    mentions: ({ body }, name) => body.includes(`${name}"`),
    answer: (call) => ({
      ...errorFor(call.service, 400, 'AWS.SimpleQueueService.NonExistentQueue', ''),
      body: Buffer.from(
        '{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}',
      ),
    }),
  },
  {
    created: 'sqs:CreateQueue',
    nameOf: queueName,
    requests: /^sqs:CreateQueue$/,
    mentions: ({ body }, name) => body.includes(`:${name}\\"`),
    answer: errorResponse(
      400,
      'InvalidParameterValue',
      'Value {"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:%","maxReceiveCount":"10"} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.',
    ),
  },
];

/** The first `times` requests of each kind don't find a new resource (EC2 and IAM: eventual consistency). */
export function unseenAtFirst(times: number): Rule {
  const resources: { readonly name: string; readonly of: UnseenResource; readonly left: Map<string, number> }[] = [];
  return {
    refuse: (call) => {
      const kind = `${call.service}:${call.action}`;
      for (const { name, of, left } of resources) {
        if (!of.requests.test(kind) || !(of.mentions ?? holds)(call, name)) continue;
        const more = left.get(kind) ?? times;
        if (more <= 0) continue;
        left.set(kind, more - 1);
        return of.answer(call, name);
      }
      return null;
    },
    amend: (call, reply) => {
      if (reply.status >= 300) return null;
      for (const of of UNSEEN) {
        if (of.created === `${call.service}:${call.action}` && (of.isCreation?.(call) ?? true))
          resources.push({ name: of.nameOf(call, reply), of, left: new Map() });
      }
      return null;
    },
  };
}
