import type { SQSClient } from '@aws-sdk/client-sqs';
import { partitionOf } from '../../lib/stack-names.ts';
import type { AwsClients } from './clients.ts';

/** Where one queue is, by whom it is asked, and for how long what fails there is tried again. */
export interface SqsPlace {
  /** Built when it is first needed. */
  readonly client: () => Promise<SQSClient>;
  readonly url: string;
  readonly arn: string;
  /** The profile of ~/.aws/config that signs; null: the SDK's chain without one. */
  readonly profile: string | null;
  /** Milliseconds. */
  readonly patienceMs: number;
}

/** The ARN of a queue of the profile's; `*` for an account that isn't known yet. */
export function queueArn(clients: AwsClients, name: string, url?: string): string {
  const account = /\/(\d{12})\/[^/]+$/.exec(url ?? '')?.[1] ?? clients.account ?? '*';
  return `arn:${partitionOf(clients.region)}:sqs:${clients.region}:${account}:${name}`;
}
