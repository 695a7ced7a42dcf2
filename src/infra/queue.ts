import type { AwsClients } from '../adapters/aws/clients.ts';
import { translateAwsError } from '../adapters/aws/errors.ts';
import { differingAttributes, type QueueAttributes } from '../adapters/aws/sqs-attributes.ts';
import type { AwsProfile } from '../config.ts';
import { BatchctlError } from '../errors.ts';
import { Arns } from './arns.ts';
import type { Found, Resource } from './resource.ts';
import { onceSettled } from './settled.ts';
import { STACK_TAG, tagDifferences, tagsOf } from './tags.ts';

/** A queue of the stack, or that of its dead letters. Made with its tags, so that it is known to be the stack's at once. */
export class QueueResource implements Resource {
  readonly part = 'data';
  readonly kind = 'queue';
  readonly name: string;
  readonly #profile: AwsProfile;
  readonly #clients: AwsClients;
  readonly #attributes: QueueAttributes;

  constructor(name: string, attributes: QueueAttributes, profile: AwsProfile, clients: AwsClients) {
    this.name = name;
    this.#attributes = withKey(attributes, profile.kmsKey);
    this.#profile = profile;
    this.#clients = clients;
  }

  async look(): Promise<Found> {
    return this.#translated('look at', 'sqs:GetQueueAttributes', async () => {
      const url = await this.#url();
      if (url === null) return { state: 'absent' };
      const [{ GetQueueAttributesCommand, ListQueueTagsCommand }, client] = await this.#sqs();
      const [{ Attributes = {} }, { Tags = {} }] = await Promise.all([
        client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] })),
        client.send(new ListQueueTagsCommand({ QueueUrl: url })),
      ]);
      const differences = differingAttributes(Attributes, this.#attributes);
      const owner = Tags[STACK_TAG];
      if (owner === this.#profile.stack) {
        const all = [...differences, ...tagDifferences(Tags, tagsOf(this.#profile))];
        return all.length === 0 ? { state: 'asItShould' } : { state: 'differs', differences: all };
      }
      if (differences.length === 0) return { state: 'asItShould' };
      throw new BatchctlError(
        'refused',
        `the queue ${this.name} is there, ${owner === undefined ? 'was not made by batchctl' : `is of the stack ${owner}`}, and differs: ${differences.join(', ')}`,
        { hint: 'set these attributes by hand, or name another stack in the profile' },
      );
    });
  }

  async apply(): Promise<void> {
    await this.#translated('make', 'sqs:CreateQueue', async () => {
      const [sdk, client] = await this.#sqs();
      const tags = { ...tagsOf(this.#profile) };
      const Attributes = { ...this.#attributes };
      const url = await this.#url();
      if (url === null) {
        await onceSettled(() => client.send(new sdk.CreateQueueCommand({ QueueName: this.name, Attributes, tags })));
        return;
      }
      await client.send(new sdk.SetQueueAttributesCommand({ QueueUrl: url, Attributes }));
      await client.send(new sdk.TagQueueCommand({ QueueUrl: url, Tags: tags }));
    });
  }

  /** Null where there is no such queue. */
  async #url(): Promise<string | null> {
    const [{ GetQueueUrlCommand }, client] = await this.#sqs();
    try {
      return (await client.send(new GetQueueUrlCommand({ QueueName: this.name }))).QueueUrl ?? null;
    } catch (error) {
      if (error instanceof Error && /NonExistentQueue$|^QueueDoesNotExist$/.test(error.name)) return null;
      throw error;
    }
  }

  #sqs() {
    return Promise.all([import('@aws-sdk/client-sqs'), this.#clients.sqs('control')]);
  }

  async #translated<T>(verb: string, action: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { profile } = this.#clients;
      const resource = new Arns(this.#profile).queue(this.name);
      throw translateAwsError(error, { what: `${verb} the queue ${this.name}`, action, resource, profile });
    }
  }
}

/** Without a key of the customer's, SQS encrypts with its own (SQS: SqsManagedSseEnabled, on by default). */
function withKey(attributes: QueueAttributes, kmsKey: string | null): QueueAttributes {
  return kmsKey === null ? attributes : { ...attributes, KmsMasterKeyId: kmsKey };
}
