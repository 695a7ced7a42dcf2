import { isKind } from '../../errors.ts';
import { deadQueueName } from '../../lib/stack-names.ts';
import { type Check, type Finding, fail, pass, warn } from '../../ports/check.ts';
import type { AwsClients } from './clients.ts';
import {
  attributeWarnings,
  deadAttributes,
  findQueue,
  type QueueAttributes,
  queueAttributes,
  readAttributes,
} from './sqs-open.ts';

export interface CheckedQueue {
  readonly group: string;
  readonly name: string;
  /** Seconds: the group's `visibility`. */
  readonly visibility: number;
}

/** Drains and lost leases alone can use up a receive limit below this (law 8 counts attempts; SQS counts receives). */
const FEW_RECEIVES = 20;
const MEND = 'batchctl infra up fixes it';

/** Whether each group's queue and dead-letter queue exist, with the right attributes. */
export function queueChecks(clients: AwsClients, queues: readonly CheckedQueue[]): readonly Check[] {
  return queues.map((queue) => ({ check: 'queue', run: () => checkQueue(clients, queue) }));
}

async function checkQueue(clients: AwsClients, { group, name, visibility }: CheckedQueue): Promise<Finding> {
  const [main, dead] = await Promise.all([name, deadQueueName(name)].map((each) => attributesOf(clients, each)));
  const missing = [main === null ? name : null, dead === null ? deadQueueName(name) : null].filter(
    (each) => each !== null,
  );
  if (main === undefined || main === null || dead === undefined || dead === null) {
    const [is, them] = missing.length === 1 ? ['does', 'it'] : ['do', 'them'];
    return fail(
      `group ${group}: ${missing.join(' and ')} ${is} not exist`,
      `create ${them} with batchctl infra up; or correct \`stack\`, \`region\` or \`groups\` of the profile`,
    );
  }
  const grave = graveFaults(name, main, dead);
  if (grave.length > 0) return fail(`group ${group}: ${grave.join('; ')}`, MEND);
  const doubtful = [
    ...attributeWarnings(name, main, queueAttributes(visibility, dead.QueueArn ?? '')),
    ...attributeWarnings(deadQueueName(name), dead, deadAttributes()),
  ].map((line) => line.replace(/ \(batchctl infra up fixes it\)$/, ''));
  if (doubtful.length > 0) return warn(`group ${group}: ${doubtful.join('; ')}`, MEND);
  return pass(
    `group ${group}: ${name} and ${deadQueueName(name)} are configured correctly; a lease lasts ${visibility} s`,
  );
}

/** Settings that lose messages or dead letters, or make the queue unusable. */
function graveFaults(name: string, main: QueueAttributes, dead: QueueAttributes): readonly string[] {
  const found: string[] = [];
  if (main.FifoQueue === 'true') found.push(`${name} is a FIFO queue, expected a standard one`);
  const [kept, keptDead] = [Number(main.MessageRetentionPeriod), Number(dead.MessageRetentionPeriod)];
  if (keptDead < kept) {
    found.push(
      `${deadQueueName(name)} keeps dead letters for ${days(keptDead)}, but ${name} keeps messages for ${days(kept)}: dead letters keep their age, so some are deleted unseen`,
    );
  }
  const redrive = main.RedrivePolicy;
  if (redrive === undefined || redrive === '') return found;
  const policy: { deadLetterTargetArn?: string; maxReceiveCount?: number | string } = JSON.parse(redrive);
  if (policy.deadLetterTargetArn !== dead.QueueArn) {
    found.push(`${name} sends its dead letters to ${policy.deadLetterTargetArn}, which batchctl does not read`);
  }
  if (Number(policy.maxReceiveCount) < FEW_RECEIVES) {
    found.push(
      `${name} moves a message to the dead letters after ${policy.maxReceiveCount} receives, but drains and lost leases count too (use 1,000)`,
    );
  }
  return found;
}

const days = (seconds: number): string =>
  seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${Math.round(seconds / 360) / 10} h`;

/** Null if the queue doesn't exist. */
async function attributesOf(clients: AwsClients, name: string): Promise<QueueAttributes | null> {
  try {
    return (await readAttributes(await findQueue(clients, name, 'probe', 0))).attributes;
  } catch (error) {
    if (isKind(error, 'notFound')) return null;
    throw error;
  }
}
