import { isOurs } from '../errors.ts';
import { STACK_TAG } from '../lib/stack-names.ts';
import { wait } from '../lib/wait.ts';
import { asked } from './asked.ts';
import { BucketResource } from './bucket.ts';
import type { InventoryPlace, Item } from './inventory.ts';
import { domainsOf, domainsThere } from './ledger.ts';

/** How long SimpleDB may take where the profile needs none of it, milliseconds. */
const PATIENCE_MS = 5_000;

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

/**
 * Also those of a ledger that the profile had before. Then nobody may be there to ask, or not for who asks: many regions
 * have no SimpleDB. That is no error, and not waited for.
 */
async function domains({ profile, clients }: InventoryPlace): Promise<readonly Item[]> {
  const there = domainsThere(profile, clients);
  const names = domainsOf(profile).length > 0 ? await there : await ifAnswered(there);
  return names.map((name) => ({ part: 'data', kind: 'domain', name, group: null, costs: true }));
}

async function ifAnswered(names: Promise<readonly string[]>): Promise<readonly string[]> {
  const answered = new AbortController();
  const late = wait(PATIENCE_MS, answered.signal).then((): readonly string[] => []);
  const known = names.catch((error: unknown): readonly string[] => {
    if (isOurs(error)) return [];
    throw error;
  });
  try {
    return await Promise.race([known, late]);
  } finally {
    answered.abort();
  }
}
