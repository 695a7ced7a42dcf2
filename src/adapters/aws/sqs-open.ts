import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueueTagsCommand,
  type QueueAttributeName,
} from '@aws-sdk/client-sqs';
import { isKind } from '../../errors.ts';
import { requireHome } from '../../lib/home.ts';
import { deadQueueName, partitionOf } from '../../lib/stack-names.ts';
import type { QueueCounts } from '../../model/backlog.ts';
import { AwsClients, type AwsClientsOptions } from './clients.ts';
import { headersOf, statusOf } from './errors.ts';
import { nameOf, Patience, retry, type SqsQueueRef } from './sqs-requests.ts';

const PATIENCE_MS = 60_000;

/** Plain data, so that a thread can open the same queue. */
export interface SqsOptions {
  readonly clients: AwsClientsOptions;
  readonly group: string;
  /** The queue's name, `<stack>-<group>`; its dead-letter queue is `<name>-dead`. */
  readonly name: string;
  /** How long a lease lasts, seconds: the group's `visibility`. */
  readonly leaseSeconds: number;
  /** The longest poll, seconds: 20 by default, which is SQS's maximum. A worker may take that long to leave. */
  readonly pollSeconds?: number;
  /** How long a failing request is retried, milliseconds, on top of the clients' own attempts: a minute by default. */
  readonly patienceMs?: number;
}

/** Finds a queue by its name. Throws `notFound`, `credentials`, `unavailable`. */
export async function findQueue(
  clients: AwsClients,
  name: string,
  use: 'control' | 'heartbeat' | 'probe',
  patienceMs: number = PATIENCE_MS,
): Promise<SqsQueueRef> {
  const client = () => clients.sqs(use);
  const place = { client, arn: queueArn(clients, name), profile: clients.profile, patienceMs };
  const doing = { what: `find the queue ${name}`, action: 'sqs:GetQueueUrl', place };
  return await retry(doing, new Patience(patienceMs), async () => {
    const { QueueUrl = '' } = await (await client()).send(new GetQueueUrlCommand({ QueueName: name }));
    return { ...place, url: QueueUrl, arn: queueArn(clients, name, QueueUrl) };
  });
}

/**
 * Throws `refused` for the queue of another home, `notFound`, `credentials`, `unavailable`. Without the right to read its
 * tags, and for a service that has none, nothing is compared.
 */
export async function requireOwnQueue(place: SqsQueueRef, name: string, home: string): Promise<void> {
  requireHome(`the queue ${name}`, await readTags(place), home);
}

/** None if they may not be read, or the service has none. */
async function readTags(place: SqsQueueRef): Promise<Readonly<Record<string, string>>> {
  const doing = { what: "read the queue's tags", action: 'sqs:ListQueueTags', place };
  try {
    return await retry(doing, new Patience(place.patienceMs), async () => {
      const { Tags = {} } = await (await place.client()).send(new ListQueueTagsCommand({ QueueUrl: place.url }));
      return Tags;
    });
  } catch (error) {
    const isDenied = isKind(error, 'credentials') && error.denied !== undefined;
    if (isDenied || (error instanceof Error && lacksCall(error.cause))) return {};
    throw error;
  }
}

/** How services that are no AWS answer a request that they don't have; the status of the second kind is 501 or 405. */
const LACKING = /^(UnsupportedOperation|InvalidAction|UnknownOperation(Exception)?|NotImplemented)$/;
const lacksCall = (error: unknown): boolean =>
  (error instanceof Error && LACKING.test(nameOf(error.name))) || [405, 501].includes(statusOf(error) ?? 0);

/**
 * Creates a group's queue and dead-letter queue, or finds them with the right attributes. On AWS a new queue can be
 * used a second later (SQS: CreateQueue). Throws `unexpected` for a queue with other attributes.
 */
export async function createQueues({ clients: options, name, leaseSeconds }: SqsOptions): Promise<void> {
  const clients = new AwsClients(options);
  try {
    const dead = await create(clients, deadQueueName(name), deadAttributes());
    const { attributes } = await readAttributes(dead, ['QueueArn']);
    await create(clients, name, queueAttributes(leaseSeconds, attributes.QueueArn ?? dead.arn));
  } finally {
    await clients.close();
  }
}

async function create(clients: AwsClients, name: string, attributes: QueueAttributes): Promise<SqsQueueRef> {
  const client = () => clients.sqs('control');
  const place = { client, arn: queueArn(clients, name), profile: clients.profile, patienceMs: 0 };
  const doing = { what: `create the queue ${name}`, action: 'sqs:CreateQueue', place };
  return await retry(doing, new Patience(0), async () => {
    const command = new CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
    const { QueueUrl = '' } = await (await client()).send(command);
    return { ...place, url: QueueUrl };
  });
}

/** The longest that SQS keeps a message, seconds (SQS: CreateQueue): a month-end run may wait over a holiday. */
const RETENTION = 1_209_600;
/** Only a safety net: drains and lost leases also add deliveries. The worker buries messages, with a reason. */
const MAX_RECEIVES = 1_000;

/** Attributes by name, all as text. */
export type QueueAttributes = Readonly<Partial<Record<QueueAttributeName, string>>>;

/**
 * The attributes of a group's queue. The message size limit is left to the service: it is 256 KiB or 1 MiB, by the
 * queue's age and partition, a higher one is refused, and no task's message reaches 1 KiB.
 */
export function queueAttributes(leaseSeconds: number, deadArn: string): QueueAttributes {
  return {
    VisibilityTimeout: String(Math.ceil(leaseSeconds)),
    MessageRetentionPeriod: String(RETENTION),
    DelaySeconds: '0',
    ReceiveMessageWaitTimeSeconds: '20',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: deadArn, maxReceiveCount: MAX_RECEIVES }),
  };
}

/**
 * The attributes of its dead-letter queue. Letters keep the age of their message, so with a shorter retention some
 * would never be seen.
 */
export function deadAttributes(): QueueAttributes {
  return { MessageRetentionPeriod: String(RETENTION), DelaySeconds: '0' };
}

/** The consequence of another value. */
const WHY: readonly (readonly [QueueAttributeName, string])[] = [
  ['VisibilityTimeout', 'it differs from the lease in the configuration'],
  ['MessageRetentionPeriod', 'older messages are deleted unseen'],
  ['DelaySeconds', 'every message is delayed by this time'],
  ['RedrivePolicy', 'SQS would move messages to the dead letters without a reason, or to another queue'],
];

/** A line for each attribute of a queue or its dead-letter queue that matters to senders or receivers and is wrong. */
export function queueWarnings(
  { name, leaseSeconds }: Pick<SqsOptions, 'name' | 'leaseSeconds'>,
  found: QueueAttributes,
  dead: QueueAttributes,
): readonly string[] {
  return [
    ...attributeWarnings(name, found, queueAttributes(leaseSeconds, dead.QueueArn ?? '')),
    ...attributeWarnings(deadQueueName(name), dead, deadAttributes()),
  ];
}

function attributeWarnings(name: string, found: QueueAttributes, wanted: QueueAttributes): readonly string[] {
  return WHY.flatMap(([attribute, why]) => {
    const should = normalizeAttribute(attribute, wanted[attribute]);
    const is = normalizeAttribute(attribute, found[attribute]);
    if (should === null || is === should) return [];
    return [`queue ${name}: expected ${attribute} ${should}, found ${is ?? 'none'}: ${why}`];
  });
}

/** A line for each attribute that should have another value. */
export function differingAttributes(found: QueueAttributes, wanted: QueueAttributes): readonly string[] {
  return Object.entries(wanted).flatMap(([attribute, value]) => {
    const is = normalizeAttribute(attribute, found[attribute as QueueAttributeName]);
    const should = normalizeAttribute(attribute, value);
    return is === should ? [] : [`${attribute} ${is ?? 'none'} → ${should}`];
  });
}

/** A policy's JSON may have its fields in any order, and numbers as text. */
function normalizeAttribute(attribute: string, value: string | undefined): string | null {
  // Some endpoints return a removed policy as an empty one.
  if (value === undefined || value === '') return null;
  if (attribute !== 'RedrivePolicy') return value;
  const policy: { deadLetterTargetArn?: string; maxReceiveCount?: number | string } = JSON.parse(value);
  return `${policy.maxReceiveCount} to ${policy.deadLetterTargetArn}`;
}

interface ReadAttributes {
  readonly attributes: QueueAttributes;
  /** When SQS answered, by its own clock in whole seconds; milliseconds since the epoch. */
  readonly at: number;
}

/** Throws `notFound`, `credentials`, `unavailable`. */
export async function readAttributes(
  place: SqsQueueRef,
  names: readonly QueueAttributeName[] = ['All'],
): Promise<ReadAttributes> {
  const doing = { what: "read the queue's attributes", action: 'sqs:GetQueueAttributes', place };
  return await retry(doing, new Patience(place.patienceMs), async () => {
    const command = new GetQueueAttributesCommand({ QueueUrl: place.url, AttributeNames: [...names] });
    let at = Number.NaN;
    command.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        at = Date.parse(headersOf(result.response).date ?? '');
        return result;
      },
      { step: 'deserialize', priority: 'low' },
    );
    const { Attributes = {} } = await (await place.client()).send(command);
    return { attributes: Attributes, at: Number.isNaN(at) ? Date.now() : at };
  });
}

/** SQS's counts, approximate and up to a minute old (SQS: GetQueueAttributes), and when it gave them. */
export async function countMessages(
  place: SqsQueueRef,
): Promise<{ readonly counts: QueueCounts; readonly at: number }> {
  const { attributes, at } = await readAttributes(place, [
    'ApproximateNumberOfMessages',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
  ]);
  const counts = {
    visible: Number(attributes.ApproximateNumberOfMessages ?? 0),
    leased: Number(attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
    delayed: Number(attributes.ApproximateNumberOfMessagesDelayed ?? 0),
  };
  return { counts, at };
}

/** The ARN of one of the profile's queues; `*` for an account that isn't known yet. */
function queueArn(clients: AwsClients, name: string, url?: string): string {
  const account = /\/(\d{12})\/[^/]+$/.exec(url ?? '')?.[1] ?? clients.account ?? '*';
  return `arn:${partitionOf(clients.region)}:sqs:${clients.region}:${account}:${name}`;
}
