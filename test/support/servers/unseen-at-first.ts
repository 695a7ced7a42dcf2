import { errorFor } from '../grid/faults.ts';
import type { Asked, Reply } from '../grid/front.ts';
import { Form } from '../grid/query.ts';
import { placeOf, type Rule } from './hostile-aws.ts';

/** What is made, and which requests that name it find nothing of it at first. */
interface Unseen {
  readonly made: string;
  /** Where the action alone doesn't say so. */
  readonly isIt?: (call: Asked) => boolean;
  /** Its name, or the id that it was given. */
  readonly named: (call: Asked, reply: Reply) => string;
  readonly asks: RegExp;
  /** Whether that request names it. */
  readonly names?: (call: Asked, name: string) => boolean;
  readonly answer: (call: Asked, name: string) => Reply;
}

const field = (name: string) => (call: Asked) => Form.parse(call.body).text(name) ?? '';
const holds = (call: Asked, name: string): boolean =>
  [...new URLSearchParams(call.body).values()].includes(name) || call.body.includes(`"${name}"`);
const idIn =
  (element: string) =>
  (_: Asked, { body }: Reply): string =>
    new RegExp(`<${element}>([^<]*)<`).exec(body.toString())?.[1] ?? '';
/** An error, in which `%` stands for the name. */
const says =
  (status: number, code: string, message: string) =>
  ({ service }: Asked, name: string): Reply =>
    errorFor(service, status, code, message.replace('%', name));
/** An answer without anything. */
const nothing =
  (namespace: string, inner: string) =>
  ({ action }: Asked): Reply => ({
    ...{ status: 200, headers: { 'content-type': 'text/xml' } },
    body: Buffer.from(`<${action}Response xmlns="http://${namespace}/">${inner}</${action}Response>`),
  });
const EC2 = 'ec2.amazonaws.com/doc/2016-11-15';
const NO_TEMPLATE = 'You must use a valid fully-formed launch template.';
const NO_PROFILE = 'Value (%) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name';

const UNSEEN: readonly Unseen[] = [
  {
    ...{ made: 'iam:CreateRole', named: field('RoleName') },
    asks: /^iam:(GetRole|GetRolePolicy|PutRolePolicy|TagRole|AddRoleToInstanceProfile)$/,
    answer: says(404, 'NoSuchEntity', 'The role with name % cannot be found.'),
  },
  {
    ...{ made: 'iam:CreateInstanceProfile', named: field('InstanceProfileName') },
    asks: /^iam:(GetInstanceProfile|AddRoleToInstanceProfile|TagInstanceProfile)$/,
    answer: says(404, 'NoSuchEntity', 'Instance Profile % cannot be found.'),
  },
  {
    // EC2UG/iam-roles-for-amazon-ec2: a new profile takes a while; the group's request names it by its template only.
    ...{ made: 'iam:AddRoleToInstanceProfile', named: field('InstanceProfileName'), names: () => true },
    asks: /^autoscaling:CreateAutoScalingGroup$/,
    answer: says(400, 'ValidationError', `${NO_TEMPLATE} ${NO_PROFILE}`),
  },
  {
    ...{ made: 'ec2:CreateSecurityGroup', named: field('GroupName'), asks: /^ec2:DescribeSecurityGroups$/ },
    answer: nothing(EC2, '<securityGroupInfo/>'),
  },
  {
    ...{ made: 'ec2:CreateSecurityGroup', named: idIn('groupId'), asks: /^ec2:AuthorizeSecurityGroup(In|E)gress$/ },
    answer: says(400, 'InvalidGroup.NotFound', "The security group '%' does not exist"),
  },
  {
    ...{ made: 'ec2:CreateLaunchTemplate', named: idIn('launchTemplateId') },
    asks: /^autoscaling:CreateAutoScalingGroup$/,
    answer: says(
      400,
      'ValidationError',
      `${NO_TEMPLATE} The specified launch template, with template ID %, does not exist.`,
    ),
  },
  {
    ...{ made: 'ec2:CreateLaunchTemplate', named: field('LaunchTemplateName'), asks: /^ec2:DescribeLaunchTemplates$/ },
    answer: says(
      400,
      'InvalidLaunchTemplateName.NotFoundException',
      'At least one of the launch templates specified in the request does not exist.',
    ),
  },
  {
    ...{ made: 'ec2:AllocateAddress', named: () => 'Filter', asks: /^ec2:DescribeAddresses$/, names: () => true },
    answer: nothing(EC2, '<addressesSet/>'),
  },
  {
    ...{ made: 'autoscaling:CreateAutoScalingGroup', named: field('AutoScalingGroupName') },
    asks: /^autoscaling:DescribeAutoScalingGroups$/,
    answer: nothing(
      'autoscaling.amazonaws.com/doc/2011-01-01',
      '<DescribeAutoScalingGroupsResult><AutoScalingGroups/></DescribeAutoScalingGroupsResult>',
    ),
  },
  {
    ...{ made: 's3:PUT', isIt: (call) => placeOf(call).key === '' && call.url.search === '' },
    named: (call) => placeOf(call).bucket,
    asks: /^s3:/,
    names: (call, name) => placeOf(call).bucket === name && placeOf(call).key === '',
    answer: says(404, 'NoSuchBucket', 'The specified bucket does not exist'),
  },
  {
    // SQS/API_CreateQueue: it can be used a second later.
    made: 'sqs:CreateQueue',
    named: ({ body }) => String(JSON.parse(body).QueueName),
    asks: /^sqs:GetQueueAttributes$/,
    names: ({ body }, name) => body.includes(`${name}"`),
    answer: (call) => ({
      ...errorFor(call.service, 400, 'AWS.SimpleQueueService.NonExistentQueue', ''),
      body: Buffer.from(
        '{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}',
      ),
    }),
  },
  {
    made: 'sqs:CreateQueue',
    named: ({ body }) => String(JSON.parse(body).QueueName),
    asks: /^sqs:CreateQueue$/,
    names: ({ body }, name) => body.includes(`:${name}\\"`),
    answer: says(
      400,
      'InvalidParameterValue',
      'Value {"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:%","maxReceiveCount":"10"} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.',
    ),
  },
];

/** Of what was just made, the first so many requests of each kind find nothing (EC2 and IAM: eventual consistency). */
export function unseenAtFirst(times: number): Rule {
  const young: { readonly name: string; readonly of: Unseen; readonly left: Map<string, number> }[] = [];
  return {
    refuse: (call) => {
      const kind = `${call.service}:${call.action}`;
      for (const { name, of, left } of young) {
        if (!of.asks.test(kind) || !(of.names ?? holds)(call, name)) continue;
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
        if (of.made === `${call.service}:${call.action}` && (of.isIt?.(call) ?? true))
          young.push({ name: of.named(call, reply), of, left: new Map() });
      }
      return null;
    },
  };
}
