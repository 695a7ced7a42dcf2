import type { SqsOptions } from '../../src/adapters/aws/sqs-queue.ts';
import { randomId } from '../../src/lib/id.ts';

/** Options of a queue that no other test has, at an endpoint that takes any credentials. */
export function sqsOptions(endpoint: string, options: Partial<SqsOptions> = {}): SqsOptions {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  process.env.AWS_ACCESS_KEY_ID ??= 'test';
  process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
  return {
    clients: { region: 'us-east-1', profile: null, account: null, endpoints: { sqs: endpoint }, env: {} },
    group: 'default',
    name: `test-${randomId(8)}`,
    leaseSeconds: 30,
    pollSeconds: 1,
    ...options,
  };
}
