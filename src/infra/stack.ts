import type { AwsClients } from '../adapters/aws/clients.ts';
import { deadAttributes, queueAttributes } from '../adapters/aws/sqs-attributes.ts';
import type { AwsProfile } from '../config.ts';
import { deadQueueName, queueName } from '../lib/stack-names.ts';
import { BucketResource } from './bucket.ts';
import { LedgerResource } from './ledger.ts';
import { QueueResource } from './queue.ts';
import type { Resource } from './resource.ts';

export interface StackParts {
  readonly profile: AwsProfile;
  readonly clients: AwsClients;
  /** Opens the profile's ledger, which makes its domains or its tables. */
  readonly openLedger: () => Promise<unknown>;
}

/** All that a profile's stack has in its account, in the order in which it is made. */
export function resourcesOf({ profile, clients, openLedger }: StackParts): readonly Resource[] {
  const { stack, groups } = profile;
  const queues = Object.entries(groups).flatMap(([group, { visibility }]) => {
    const name = queueName(stack, group);
    const dead = deadQueueName(name);
    return [
      new QueueResource({ name: dead, dead: null, attributes: deadAttributes, profile, clients }),
      new QueueResource({ name, dead, attributes: (arn) => queueAttributes(visibility, arn), profile, clients }),
    ];
  });
  const ledger = profile.ledger.kind === 'store' ? [] : [new LedgerResource(profile.ledger, profile.stack, openLedger)];
  return [new BucketResource(profile, clients), ...queues, ...ledger];
}
