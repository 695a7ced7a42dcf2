import { nullOnError, translateErrors } from '../adapters/aws/errors.ts';
import {
  deadAttributes,
  differingAttributes,
  type QueueAttributes,
  queueAttributes,
} from '../adapters/aws/sqs-open.ts';
import type { AwsProfile } from '../config/load-config.ts';
import { BatchctlError } from '../errors.ts';
import { deadQueueName, queueName, STACK_TAG } from '../lib/stack-names.ts';
import { Arns } from './arns.ts';
import { type AwsContext, retryUntilConsistent } from './call-aws.ts';
import { foreignOwner, ownerHint } from './owner.ts';
import {
  type KeptReason,
  type RemovalOptions,
  type Resource,
  type ResourceState,
  stateFromDifferences,
} from './resource.ts';
import { tagDifferences, tagsOf } from './tags.ts';

export interface QueuePlan {
  readonly name: string;
  readonly group: string;
  /** The name of its dead-letter queue; null if it is one itself. */
  readonly dead: string | null;
  readonly attributes: (deadArn: string) => QueueAttributes;
}

/** Each group's queue, preceded by its dead-letter queue. */
export function queuesOf({ stack, groups, kmsKey }: AwsProfile): readonly QueuePlan[] {
  // Without a customer's key, SQS encrypts with its own (SQS: SqsManagedSseEnabled, on by default).
  const key = kmsKey === null ? {} : { KmsMasterKeyId: kmsKey };
  return Object.entries(groups).flatMap(([group, { visibility }]) => {
    const name = queueName(stack, group);
    const dead = deadQueueName(name);
    return [
      { name: dead, group, dead: null, attributes: () => ({ ...deadAttributes(), ...key }) },
      { name, group, dead, attributes: (arn: string) => ({ ...queueAttributes(visibility, arn), ...key }) },
    ];
  });
}

/** A queue or dead-letter queue of the stack, created with its tags, so that it is at once known as the stack's. */
export class QueueResource implements Resource {
  readonly part = 'data';
  readonly kind = 'queue';
  readonly name: string;
  readonly group: string;
  readonly #plan: QueuePlan;
  readonly #place: AwsContext;

  constructor(plan: QueuePlan, place: AwsContext) {
    this.name = plan.name;
    this.group = plan.group;
    this.#plan = plan;
    this.#place = place;
  }

  async look(): Promise<ResourceState> {
    return this.#translated('look at', 'sqs:GetQueueAttributes', async () => {
      const url = await this.#url(this.name);
      if (url === null) return { state: 'absent' };
      const [{ GetQueueAttributesCommand, ListQueueTagsCommand }, client] = await this.#sqs();
      const [{ Attributes = {} }, { Tags = {} }] = await Promise.all([
        client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] })),
        client.send(new ListQueueTagsCommand({ QueueUrl: url })),
      ]);
      const differences = differingAttributes(Attributes, await this.#wanted());
      const owner = await foreignOwner(this.#place, Tags);
      if (owner === null) {
        return stateFromDifferences([...differences, ...tagDifferences(Tags, tagsOf(this.#place.profile))]);
      }
      // Someone else may have made a queue for this stack: without tags, and with the right settings.
      if (Tags[STACK_TAG] !== undefined) throw this.#refusal(owner);
      if (differences.length === 0) return { state: 'asItShould' };
      throw new BatchctlError(
        'refused',
        `the queue ${this.name} exists, ${owner}, and differs: ${differences.join(', ')}`,
        { hint: 'set these attributes by hand, or use another stack name in the profile' },
      );
    });
  }

  async apply(): Promise<void> {
    await this.#translated('make', 'sqs:CreateQueue', async () => {
      const [sdk, client] = await this.#sqs();
      const tags = { ...tagsOf(this.#place.profile) };
      const Attributes = { ...(await this.#wanted()) };
      const url = await this.#url(this.name);
      if (url === null) {
        const create = new sdk.CreateQueueCommand({ QueueName: this.name, Attributes, tags });
        const { QueueUrl } = await retryUntilConsistent(() => client.send(create), [NO_DEAD_LETTER_QUEUE]);
        // Of a queue that another `up` has just made, with the same attributes, this is the URL, too.
        await this.#requireOurs(QueueUrl);
        return;
      }
      await this.#requireOurs(url);
      await client.send(new sdk.SetQueueAttributesCommand({ QueueUrl: url, Attributes }));
      await client.send(new sdk.TagQueueCommand({ QueueUrl: url, Tags: tags }));
    });
  }

  /** Its messages go with it: no job is open, and the store knows everything that failed for good. */
  async remove({ note }: RemovalOptions): Promise<KeptReason | null> {
    return this.#translated('remove', 'sqs:DeleteQueue', async () => {
      const url = await this.#url(this.name);
      if (url === null) return null;
      const [sdk, client] = await this.#sqs();
      const [{ Tags = {} }, { Attributes = {} }] = await Promise.all([
        client.send(new sdk.ListQueueTagsCommand({ QueueUrl: url })),
        client.send(new sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [COUNT] })),
      ]);
      const owner = await foreignOwner(this.#place, Tags);
      if (owner !== null) return { why: owner };
      const letters = Number(Attributes[COUNT] ?? 0);
      if (this.#plan.dead === null && letters > 0) {
        note(
          `queue ${this.name}: ${letters} dead letters are deleted with it; the store keeps the failures of their tasks`,
        );
      }
      await nullOnError(client.send(new sdk.DeleteQueueCommand({ QueueUrl: url })), MISSING_QUEUE);
      return null;
    });
  }

  /** Throws `refused` for a queue of another owner. Its tags may not be known everywhere yet. */
  async #requireOurs(QueueUrl: string | undefined): Promise<void> {
    const [{ ListQueueTagsCommand }, client] = await this.#sqs();
    const { Tags = {} } = await retryUntilConsistent(() => client.send(new ListQueueTagsCommand({ QueueUrl })));
    const owner = await foreignOwner(this.#place, Tags);
    if (owner !== null) throw this.#refusal(owner);
  }

  #refusal(owner: string): BatchctlError {
    return new BatchctlError('refused', `the queue ${this.name} exists, and ${owner}`, {
      // Stack `a-b` with group `c` and stack `a` with group `b-c` have queues of the same name, too.
      hint: ownerHint(this.#place.profile, ', or another group name'),
    });
  }

  /** Null if the queue doesn't exist. */
  async #url(name: string): Promise<string | null> {
    const [{ GetQueueUrlCommand }, client] = await this.#sqs();
    const answer = client.send(new GetQueueUrlCommand({ QueueName: name }));
    return (await nullOnError(answer, MISSING_QUEUE))?.QueueUrl ?? null;
  }

  async #wanted(): Promise<QueueAttributes> {
    const { dead } = this.#plan;
    return this.#plan.attributes(dead === null ? '' : await this.#arnOf(dead));
  }

  async #arnOf(name: string): Promise<string> {
    const url = await this.#url(name);
    if (url === null) return new Arns(this.#place.profile).queue(name);
    const [{ GetQueueAttributesCommand }, client] = await this.#sqs();
    const asked = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] });
    return (await retryUntilConsistent(() => client.send(asked))).Attributes?.QueueArn ?? '';
  }

  #sqs() {
    return Promise.all([import('@aws-sdk/client-sqs'), this.#place.clients.sqs('control')]);
  }

  #translated<T>(verb: string, action: string, work: () => Promise<T>): Promise<T> {
    const resource = new Arns(this.#place.profile).queue(this.name);
    const { profile } = this.#place.clients;
    return translateErrors({ what: `${verb} the queue ${this.name}`, action, resource, profile }, work);
  }
}

const COUNT = 'ApproximateNumberOfMessages';

/** A new dead-letter queue can be used a second after its creation (SQS: CreateQueue). */
const NO_DEAD_LETTER_QUEUE = /Dead letter target does not exist/i;

/** The errors for a queue that doesn't exist. */
export const MISSING_QUEUE = /NonExistentQueue$|^QueueDoesNotExist$/;
