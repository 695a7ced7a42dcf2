import { BatchctlError } from '../../errors.ts';
import { partitionOf } from '../../lib/stack-names.ts';
import type { Notice } from '../../ports/notifier.ts';
import type { AwsClients } from './clients.ts';
import { isAbort, translateAwsError } from './errors.ts';

/**
 * Publishes a notice to a topic: the body as the message; event, its id and the job as attributes, which subscriptions
 * can filter by. Throws as `translateAwsError`.
 */
export async function publishNotice(
  clients: AwsClients,
  topic: string,
  { id, event, job, body }: Notice,
  signal: AbortSignal | undefined,
): Promise<void> {
  const arn = topicArn(clients, topic);
  const [{ PublishCommand }, client] = await Promise.all([import('@aws-sdk/client-sns'), clients.sns()]);
  const attributes = { event, eventId: id, ...(job !== null && { job }) };
  const sent = client.send(
    new PublishCommand({
      TopicArn: arn,
      Message: body,
      Subject: `batchctl: ${event}${job === null ? '' : ` ${job}`}`.slice(0, 99),
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
      ),
      // For a FIFO topic: a notice sent twice within minutes arrives once.
      ...(arn.endsWith('.fifo') && { MessageGroupId: job ?? 'batchctl', MessageDeduplicationId: id.slice(0, 128) }),
    }),
    signal === undefined ? {} : { abortSignal: signal },
  );
  await sent.catch((error: unknown) => {
    // A timeout isn't an abort by the caller: the request may be retried.
    if (isAbort(error))
      throw new BatchctlError('unavailable', `${topic}: SNS did not respond in time`, { cause: error });
    if (error instanceof Error && /NotFound/.test(error.name)) {
      throw new BatchctlError('notFound', `the topic ${topic} does not exist`, {
        hint: `aws sns create-topic --name ${arn.split(':').at(-1)}`,
        cause: error,
      });
    }
    const { profile } = clients;
    throw translateAwsError(error, { what: `publish to ${topic}`, action: 'sns:Publish', resource: arn, profile });
  });
}

/** A topic given by its ARN, or by its name in the profile's account and region. */
function topicArn({ region, account }: AwsClients, topic: string): string {
  if (topic.startsWith('arn:')) return topic;
  if (account !== null) return `arn:${partitionOf(region)}:sns:${region}:${account}:${topic}`;
  throw new BatchctlError('config', `expected sns:arn:..., found sns:${topic}, but the profile has no account`, {
    hint: "use the topic's ARN in notify, or set account in the profile",
  });
}
