import type { Socket } from 'node:net';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import type { SqsQueueRef } from '../../../src/adapters/aws/sqs-requests.ts';
import { serve } from '../../support/servers/listen.ts';
import { sqsOptions } from '../../support/sqs.ts';

/** A request as SQS receives it. */
export interface SqsRequest {
  readonly action: string;
  readonly body: {
    readonly Entries: readonly {
      readonly Id: string;
      readonly ReceiptHandle: string;
      readonly VisibilityTimeout: number;
      readonly MessageBody: string;
      readonly MessageGroupId?: string;
      readonly MessageAttributes?: Readonly<Record<string, { readonly StringValue: string }>>;
    }[];
    readonly QueueName: string;
    readonly QueueUrl: string;
    readonly MaxNumberOfMessages: number;
    readonly WaitTimeSeconds: number;
    readonly VisibilityTimeout: number;
  };
}

interface SqsReply {
  readonly status?: number;
  readonly content: object;
}

export const refusal = (type: string, message = 'refused', status = 400): SqsReply => ({
  status,
  content: { __type: type, message },
});

/** A server that answers as a test says, and records the requests. */
export class SqsRecorder {
  readonly requests: SqsRequest[] = [];
  /** Open connections. */
  readonly sockets = new Set<Socket>();
  reply: (request: SqsRequest) => SqsReply | Promise<SqsReply> = ({ body }) => ({
    content: { Successful: (body.Entries ?? []).map(({ Id }) => ({ Id })), Failed: [] },
  });
  readonly #clients: AwsClients;
  readonly #server: Awaited<ReturnType<typeof serve>>;

  private constructor(server: Awaited<ReturnType<typeof serve>>) {
    this.#server = server;
    this.#clients = new AwsClients(sqsOptions(server.url).clients);
  }

  static async start(): Promise<SqsRecorder> {
    const server = await serve(async (request, answer) => {
      const { socket } = request;
      if (!recorder.sockets.has(socket)) socket.once('close', () => recorder.sockets.delete(socket));
      recorder.sockets.add(socket);
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const sent = {
        action: String(request.headers['x-amz-target']).replace(/^AmazonSQS\./, ''),
        body: JSON.parse(text),
      };
      recorder.requests.push(sent);
      const { status = 200, content } = await recorder.reply(sent);
      answer.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(content));
    });
    const recorder = new SqsRecorder(server);
    return recorder;
  }

  readonly client = (): Promise<SQSClient> => this.#clients.sqs('control');

  get url(): string {
    return this.#server.url;
  }

  /** The queue; its failures are retried for this long. */
  place(patienceMs = 0): SqsQueueRef {
    const { client } = this;
    return { client, url: `${this.#server.url}/1/q`, arn: 'arn:aws:sqs:us-east-1:*:q', profile: null, patienceMs };
  }

  /** The entries of every batch of that action. */
  entriesOf(action: string): SqsRequest['body']['Entries'] {
    return this.requests.filter((each) => each.action === action).flatMap(({ body }) => body.Entries);
  }

  async end(): Promise<void> {
    await this.#clients.close();
    await this.#server.close();
  }
}
