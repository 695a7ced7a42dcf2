import { SetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { findQueue } from '../../../src/adapters/aws/sqs-open.ts';
import { createQueues, openSqsQueue, type SqsQueueOptions } from '../../../src/adapters/aws/sqs-queue.ts';
import type { Delivery, TaskQueue } from '../../../src/ports/task-queue.ts';
import { FaultProxy } from '../../support/servers/fault-proxy.ts';
import { type Fauxqs, startFauxqs } from '../../support/servers/fauxqs.ts';
import { sqsOptions } from '../../support/sqs.ts';

/** Set-up of tests of the SQS adapter: fauxqs, a proxy in front of it that loses requests, and queues for each test. */
export class SqsBench {
  readonly server: Fauxqs;
  readonly proxy: FaultProxy;
  readonly #opened: TaskQueue[] = [];

  private constructor(server: Fauxqs, proxy: FaultProxy) {
    this.server = server;
    this.proxy = proxy;
  }

  static async start(): Promise<SqsBench> {
    const server = await startFauxqs();
    return new SqsBench(server, await FaultProxy.start(server.url));
  }

  /** A new queue, through the proxy; `past` is the same queue without it. */
  async open(
    options: Partial<SqsQueueOptions> = {},
  ): Promise<{ readonly queue: TaskQueue; readonly past: TaskQueue; readonly options: SqsQueueOptions }> {
    const straight = { ...sqsOptions(this.server.url), ...options };
    const proxied = { ...straight, clients: { ...straight.clients, endpoints: { sqs: this.proxy.url } } };
    await createQueues(straight);
    const [queue, past] = [await openSqsQueue(proxied), await openSqsQueue(straight)];
    this.#opened.push(queue, past);
    return { queue, past, options: proxied };
  }

  /** Sets a queue's attributes, as somebody else might. */
  async setAttributes(name: string, Attributes: Readonly<Record<string, string>>): Promise<void> {
    const clients = new AwsClients(sqsOptions(this.server.url).clients);
    const { url } = await findQueue(clients, name, 'control');
    const client = await clients.sqs('control');
    await client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes }));
    await clients.close();
  }

  /** For `afterEach`. */
  async closeQueues(): Promise<void> {
    this.proxy.heal();
    for (const queue of this.#opened.splice(0)) await queue.close();
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.server.stop();
  }
}

export function messages(count: number, prefix = 'message'): { readonly body: string; readonly tenant: string }[] {
  return Array.from({ length: count }, (_, n) => ({ body: `${prefix} ${n}`, tenant: 'job-a' }));
}

/** All messages that can be received now. */
export async function takeAll(queue: TaskQueue): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  for (;;) {
    const more = await queue.receive({ max: 50, waitSeconds: 0 });
    if (more.length === 0) return taken;
    taken.push(...more);
  }
}

/** Sends a message, and takes it. */
export async function takeNew(queue: TaskQueue): Promise<Delivery> {
  await queue.send(messages(1));
  const [delivery] = await takeAll(queue);
  if (delivery === undefined) throw new Error('nothing came');
  return delivery;
}

export const bodiesOf = (deliveries: readonly { readonly body: string }[]): string[] =>
  deliveries.map(({ body }) => body).sort();
