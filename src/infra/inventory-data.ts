import { domainName, STACK_TAG } from '../lib/stack-names.ts';
import { asked } from './asked.ts';
import { BucketResource } from './bucket.ts';
import type { InventoryPlace, Item } from './inventory.ts';
import { simpleDb } from './ledger.ts';

/** The queues, the domains, and what lies in the bucket. */
export async function dataInventory(place: InventoryPlace): Promise<readonly Item[]> {
  const looks = [bucket(place), queues(place), domains(place)];
  await Promise.allSettled(looks);
  return (await Promise.all(looks)).flat();
}

async function bucket({ profile, clients }: InventoryPlace): Promise<readonly Item[]> {
  const { name } = profile.bucket;
  const { isOurs, below } = await new BucketResource(profile, clients).holdings();
  const shared = { part: 'data', group: null } as const;
  const itself: Item = { ...shared, kind: 'bucket', name, costs: false };
  return [
    ...(isOurs ? [itself] : []),
    ...(below === null ? [] : [{ ...shared, kind: 'objects', name: `s3://${name}/${below}`, costs: true } as const]),
  ];
}

/** SQS lists by the beginning of names: that of another stack's may begin the same, so that the tag decides. */
async function queues(place: InventoryPlace): Promise<readonly Item[]> {
  const { stack } = place.profile;
  const doing = { what: 'look for queues of the stack', action: 'sqs:ListQueues', resource: '*' };
  return asked(place, doing, async () => {
    const [sdk, client] = await Promise.all([import('@aws-sdk/client-sqs'), place.clients.sqs('control')]);
    const found: Item[] = [];
    // Without MaxResults there is no token for more than a thousand (SQS: ListQueues).
    const listed = sdk.paginateListQueues({ client, pageSize: 1_000 }, { QueueNamePrefix: `${stack}-` });
    for await (const { QueueUrls = [] } of listed) {
      for (const QueueUrl of QueueUrls) {
        const { Tags = {} } = await client.send(new sdk.ListQueueTagsCommand({ QueueUrl })).catch(goneAlready);
        if (Tags[STACK_TAG] !== stack) continue;
        const name = QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1);
        found.push({ part: 'data', kind: 'queue', name, group: name.slice(stack.length + 1), costs: false });
      }
    }
    return found;
  });
}

/** A deleted queue is listed for a while (SQS: DeleteQueue takes up to 60 seconds). */
function goneAlready(error: unknown): { readonly Tags?: Record<string, string> } {
  if (error instanceof Error && /NonExistentQueue$|^QueueDoesNotExist$/.test(error.name)) return {};
  throw error;
}

async function domains({ profile: { stack, ledger }, clients }: InventoryPlace): Promise<readonly Item[]> {
  if (ledger.kind !== 'simpledb') return [];
  const found: Item[] = [];
  for await (const name of simpleDb(clients).listDomains()) {
    const number = Number(name.slice(stack.length + 1));
    if (!Number.isInteger(number) || name !== domainName(stack, number)) continue;
    found.push({ part: 'data', kind: 'domain', name, group: null, costs: true });
  }
  return found;
}
