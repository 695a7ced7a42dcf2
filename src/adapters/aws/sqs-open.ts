import { CreateQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { deadQueueName } from '../../lib/stack-names.ts';
import { AwsClients, type AwsClientsOptions } from './clients.ts';
import { isTransient } from './errors.ts';
import { deadAttributes, type QueueAttributes, queueAttributes, readAttributes } from './sqs-attributes.ts';
import { sqsError } from './sqs-errors.ts';
import { Patience } from './sqs-patience.ts';
import { queueArn, type SqsPlace } from './sqs-place.ts';

const PATIENCE_MS = 60_000;

/** Plain data, so that a thread can open the same queue. */
export interface SqsOptions {
  readonly clients: AwsClientsOptions;
  /** The worker group. */
  readonly group: string;
  /** The queue's name, `<stack>-<group>`; its dead letters are in `<name>-dead`. */
  readonly name: string;
  /** How long a lease lasts, seconds: the group's `visibility`. */
  readonly leaseSeconds: number;
  /** The longest that one poll lasts, seconds: 20 unless given, which is SQS's own most. A worker leaves as slowly. */
  readonly pollSeconds?: number;
  /** How long what fails is tried again, milliseconds, on top of the clients' own attempts: a minute unless given. */
  readonly patienceMs?: number;
}

/** Finds a queue by its name. Throws `notFound`, `credentials`, `unavailable`. */
export async function findQueue(
  clients: AwsClients,
  name: string,
  use: 'control' | 'heartbeat' | 'probe',
  patienceMs: number = PATIENCE_MS,
): Promise<SqsPlace> {
  const client = () => clients.sqs(use);
  const place = { client, arn: queueArn(clients, name), profile: clients.profile, patienceMs };
  const patience = new Patience(patienceMs);
  for (;;) {
    try {
      const { QueueUrl = '' } = await (await client()).send(new GetQueueUrlCommand({ QueueName: name }));
      return { ...place, url: QueueUrl, arn: queueArn(clients, name, QueueUrl) };
    } catch (error) {
      if (!isTransient(error) || !(await patience.pause()))
        throw sqsError(error, { what: `find the queue ${name}`, action: 'sqs:GetQueueUrl', place });
    }
  }
}

/**
 * Makes a group's queue and that of its dead letters, or finds them as they should be. On AWS a new queue can be used a
 * second later (SQS: CreateQueue). Throws `unexpected` for a queue that has other attributes.
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

async function create(clients: AwsClients, name: string, attributes: QueueAttributes): Promise<SqsPlace> {
  const client = () => clients.sqs('control');
  const place = { client, arn: queueArn(clients, name), profile: clients.profile, patienceMs: 0 };
  try {
    const command = new CreateQueueCommand({ QueueName: name, Attributes: { ...attributes } });
    const { QueueUrl = '' } = await (await client()).send(command);
    return { ...place, url: QueueUrl };
  } catch (error) {
    throw sqsError(error, { what: `make the queue ${name}`, action: 'sqs:CreateQueue', place });
  }
}
