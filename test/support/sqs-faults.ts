import type { Fault, Seen } from './servers/fault-proxy.ts';

/** Requests for one action of SQS. */
export function isAction(action: string): (seen: Seen) => boolean {
  return ({ headers }) => headers['x-amz-target'] === `AmazonSQS.${action}`;
}

/** An error as SQS writes it: `RequestThrottled` comes with 403. */
export function sqsFault(status: number, name: string): Fault {
  return { kind: 'answer', status, body: JSON.stringify({ __type: `com.amazonaws.sqs#${name}`, message: name }) };
}

/** HTTP 200 with this as its JSON. */
export function sqsAnswer(body: object): Fault {
  return { kind: 'answer', status: 200, body: JSON.stringify(body) };
}
