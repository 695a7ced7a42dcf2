import type { SqsOptions } from '../../src/adapters/aws/sqs-queue.ts';
import { randomId } from '../../src/lib/id.ts';
import { useTestKeys } from './aws-keys.ts';
import type { Fault, SeenRequest } from './servers/fault-proxy.ts';

/** Options of a queue with a unique name, at an endpoint that accepts any credentials. */
export function sqsOptions(endpoint: string, options: Partial<SqsOptions> = {}): SqsOptions {
  useTestKeys();
  return {
    clients: { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: endpoint }, env: {} },
    group: 'default',
    name: `test-${randomId(8)}`,
    leaseSeconds: 30,
    pollSeconds: 1,
    ...options,
  };
}

export function isAction(action: string): (seen: SeenRequest) => boolean {
  return ({ headers }) => headers['x-amz-target'] === `AmazonSQS.${action}`;
}

/** An error in SQS's format; the status of `RequestThrottled` is 403. */
export function sqsFault(status: number, name: string): Fault {
  return { kind: 'answer', status, body: JSON.stringify({ __type: `com.amazonaws.sqs#${name}`, message: name }) };
}

/** A response with status 200, this JSON, and these headers. */
export function sqsAnswer(body: object, headers: Readonly<Record<string, string>> = {}): Fault {
  return { kind: 'answer', status: 200, body: JSON.stringify(body), headers };
}
