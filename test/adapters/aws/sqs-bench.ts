import { SetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { findQueue } from '../../../src/adapters/aws/sqs-open.ts';
import { createQueues, openSqsQueue, type SqsQueueOptions } from '../../../src/adapters/aws/sqs-queue.ts';
import type { Delivery, TaskQueue } from '../../../src/ports/task-queue.ts';
import { messages } from '../../contracts/queue-messages.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { type Fauxqs, startFauxqs } from '../../support/servers/fauxqs.ts';
import { sqsOptions } from '../../support/sqs.ts';

/** Fauxqs, a proxy in front of it that loses requests, and queues for each test. */
export class SqsBench {
  readonly server: Fauxqs;
  readonly proxy: FaultProxy;
  readonly #cleanup = new Cleanup();

  private constructor(server: Fauxqs, proxy: FaultProxy) {
    this.server = server;
    this.proxy = proxy;
  }

  static async start(): Promise<SqsBench> {
    const server = await startFauxqs();
    return new SqsBench(server, await FaultProxy.start(server.url));
  }

  /** A new queue, through the proxy. `direct` is the same queue without it. */
  async open(
    options: Partial<SqsQueueOptions> = {},
  ): Promise<{ readonly queue: TaskQueue; readonly direct: TaskQueue; readonly options: SqsQueueOptions }> {
    const own = { ...sqsOptions(this.server.url), ...options };
    const proxied = { ...own, clients: { ...own.clients, endpoints: { sqs: this.proxy.url } } };
    await createQueues(own);
    const queue = this.#cleanup.use(await openSqsQueue(proxied));
    const direct = this.#cleanup.use(await openSqsQueue(own));
    return { queue, direct, options: proxied };
  }

  /** The SDK's own client, and the URL of a queue. */
  async sdk(name: string): Promise<{ readonly client: SQSClient; readonly QueueUrl: string }> {
    const clients = this.#cleanup.use(new AwsClients(sqsOptions(this.server.url).clients));
    const { url } = await findQueue(clients, name, 'control');
    return { client: await clients.sqs('control'), QueueUrl: url };
  }

  async setAttributes(name: string, Attributes: Readonly<Record<string, string>>): Promise<void> {
    const { client, QueueUrl } = await this.sdk(name);
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  }

  /** For `afterEach`. */
  async closeQueues(): Promise<void> {
    this.proxy.heal();
    await this.#cleanup.close();
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.server.stop();
  }
}

/** All messages that can be received now. */
export async function takeAll(queue: TaskQueue): Promise<Delivery[]> {
  const received: Delivery[] = [];
  for (;;) {
    const more = await queue.receive({ max: 50, waitSeconds: 0 });
    if (more.length === 0) return received;
    received.push(...more);
  }
}

/** Sends two messages, and receives both. */
export async function takeTwo(queue: TaskQueue): Promise<readonly [Delivery, Delivery]> {
  await queue.send(messages(2));
  const [first, second] = await takeAll(queue);
  if (first === undefined || second === undefined) throw new Error('expected two messages');
  return [first, second];
}

/** Sends a message, and receives it. */
export async function takeOne(queue: TaskQueue): Promise<Delivery> {
  await queue.send(messages(1));
  const [delivery] = await takeAll(queue);
  if (delivery === undefined) throw new Error('expected a message');
  return delivery;
}
