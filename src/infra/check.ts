import type { AwsProfile } from '../config/load-config.ts';
import { bareGroup } from '../config/schema.ts';
import { randomId } from '../lib/id.ts';
import { partitionOf, STACK_TAG } from '../lib/stack-names.ts';
import { creditsPerHour } from '../model/cost/credits.ts';
import { LIST_PRICES, MONTH_HOURS } from '../model/cost/list-prices.ts';

/** Names of the stacks of `infra check --for-real`; nothing else has such a name. */
const CHECK_STACK = /^batchctl-check-[a-z2-7]{8}$/;
export const CHECK_GROUP = 'default';
/** Bytes: enough for Amazon Linux, Node and the worker. */
const DISK = 16e9;
const SLOTS = 2;

/**
 * A new name each time: a deleted queue's name stays taken for a minute, a bucket's for longer (SQS: DeleteQueue; S3:
 * DeleteBucket).
 */
export const newCheckStack = (): string => `batchctl-check-${randomId(8)}`;

export const isCheckStack = (name: string): boolean => CHECK_STACK.test(name);

/**
 * The profile of a check. Account, region, network, key, tags and boundary come from `profile`. It has its own stack,
 * bucket and roles, at most one spot instance, and sends no notifications. A ledger in a database is replaced by one in
 * the bucket, because its tables would be the real ones.
 */
export function checkProfile(profile: AwsProfile, stack: string, instance: string): AwsProfile {
  return {
    ...profile,
    stack,
    protect: false,
    manager: null,
    metrics: false,
    notify: [],
    allowSecrets: [],
    bucket: { name: stack, existing: false, owner: profile.account, prefix: '' },
    ledger: profile.ledger.kind === 'simpledb' ? { kind: 'simpledb', domains: 1 } : { kind: 'store' },
    iam: { ...profile.iam, workerProfile: null, managerProfile: null },
    budget: { month: null, job: null },
    groups: {
      [CHECK_GROUP]: {
        ...bareGroup(),
        instances: [instance],
        slots: SLOTS,
        visibility: 60,
        disk: DISK,
        setupTimeout: 600,
      },
    },
  };
}

/** The most that a check can cost, US dollars. */
export interface CheckCost {
  /** Price of its instance per hour; null: not known. */
  readonly instanceHour: number | null;
  /** Everything except the interruption. */
  readonly most: number | null;
  /** The price of an interruption by AWS FIS, which is added if the operator runs it. */
  readonly interruption: number;
}

/** The interrupted instance and its replacement are billed by the second; each for less than this. */
const HOURS = 1;
const INSTANCES = 2;
/** More than a round of 20 tasks makes while being polled every second. */
const REQUESTS = 5_000;
/** The two-minute notice, rounded up to started minutes. */
const FAULT_MINUTES = 3;
/** Factor on list prices of us-east-1: other regions cost up to twice as much. */
const ELSEWHERE = 2;

/** `hour`: US dollars per hour of the instance, from the market or the profile; null if neither has a price. */
export function checkCost(instance: string, hour: number | null): CheckCost {
  const listed: Readonly<Record<string, number>> = LIST_PRICES.instanceHour;
  const price = hour ?? (listed[instance] === undefined ? null : listed[instance] * ELSEWHERE);
  const known = price === null ? null : price + creditsPerHour(instance);
  const { volumeMonth, addressHour, thousandPuts, faultMinute } = LIST_PRICES;
  const anHour = ((DISK / 1e9) * volumeMonth) / MONTH_HOURS + addressHour;
  const besides = ELSEWHERE * (anHour * HOURS * INSTANCES + (REQUESTS / 1_000) * thousandPuts);
  return {
    instanceHour: known,
    most: known === null ? null : known * HOURS * INSTANCES + besides,
    interruption: FAULT_MINUTES * faultMinute,
  };
}

interface FaultCommands {
  /** A role for FIS, and an experiment that finds the instance by its stack's tag: it need not exist yet. */
  readonly prepare: readonly string[];
  readonly interrupt: string;
  readonly remove: readonly string[];
}

export function faultCommands({
  stack,
  region,
  account,
  aws,
}: AwsProfile & { readonly account: string }): FaultCommands {
  const role = `${stack}-fis`;
  const flags = `--region ${region}${aws.profile === null ? '' : ` --profile ${aws.profile}`}`;
  const partition = partitionOf(region);
  const trust = experimentTrust();
  const policy = experimentPolicy(partition, stack);
  const template = experimentTemplate(stack, `arn:${partition}:iam::${account}:role/${role}`);
  const found = `aws fis list-experiment-templates ${flags} --query "experimentTemplates[?description=='${stack}'].id | [0]" --output text`;
  return {
    prepare: [
      `aws iam create-role ${flags} --role-name ${role} --assume-role-policy-document '${JSON.stringify(trust)}'`,
      `aws iam put-role-policy ${flags} --role-name ${role} --policy-name interrupt --policy-document '${JSON.stringify(policy)}'`,
      `aws fis create-experiment-template ${flags} --cli-input-json '${JSON.stringify(template)}'`,
    ],
    interrupt: `aws fis start-experiment ${flags} --experiment-template-id "$(${found})"`,
    remove: [
      `aws fis delete-experiment-template ${flags} --id "$(${found})"`,
      `aws iam delete-role-policy ${flags} --role-name ${role} --policy-name interrupt`,
      `aws iam delete-role ${flags} --role-name ${role}`,
    ],
  };
}

const experimentTrust = () => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'fis.amazonaws.com' }, Action: 'sts:AssumeRole' }],
});

/** Lets FIS find instances, and interrupt only the check's (FIS: aws:ec2:send-spot-instance-interruptions). */
const experimentPolicy = (partition: string, stack: string) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: 'ec2:DescribeInstances', Resource: '*' },
    {
      Effect: 'Allow',
      Action: 'ec2:SendSpotInstanceInterruptions',
      Resource: `arn:${partition}:ec2:*:*:instance/*`,
      Condition: { StringEquals: { [`aws:ResourceTag/${STACK_TAG}`]: stack } },
    },
  ],
});

const experimentTemplate = (stack: string, roleArn: string) => ({
  description: stack,
  roleArn,
  stopConditions: [{ source: 'none' }],
  targets: {
    instance: {
      resourceType: 'aws:ec2:spot-instance',
      resourceTags: { [STACK_TAG]: stack },
      filters: [{ path: 'State.Name', values: ['running'] }],
      selectionMode: 'COUNT(1)',
    },
  },
  actions: {
    interrupt: {
      actionId: 'aws:ec2:send-spot-instance-interruptions',
      // The same time as EC2's own notice.
      parameters: { durationBeforeInterruption: 'PT2M' },
      targets: { SpotInstances: 'instance' },
    },
  },
});
