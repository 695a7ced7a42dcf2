// Protects: what another home or stack has under a stack's names stays as it is, and is never taken for its own.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import type { AwsProfile } from '../../src/config/profile.ts';
import { BucketResource } from '../../src/infra/bucket.ts';
import { takeCensus } from '../../src/infra/inventory.ts';
import { foreignOwner } from '../../src/infra/owner.ts';
import { QueueResource, queuesOf } from '../../src/infra/queue.ts';
import { tagsOf, toTagList } from '../../src/infra/tags.ts';
import { randomId } from '../../src/lib/id.ts';
import { FORMER_TAG, HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, endpointsOf } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rejection } from '../support/rejection.ts';
import { startSimpleDb } from '../support/servers/simpledb-server.ts';

const REGION = 'us-east-1';

describe('a resource with a name of the stack', () => {
  const simpledb = forSuite(() => startSimpleDb());
  const cloud = forSuite(() => startCloud({ sqs: 'moto', simpledb: simpledb.url }));
  const account = forSuite(() => accountClients(cloud, { region: REGION }));
  const clients = forSuite(
    () => new AwsClients({ region: REGION, profile: null, account: null, endpoints: endpointsOf(cloud) }),
  );
  let profile: AwsProfile;
  let theirs: Readonly<Record<string, string>>;

  before(useTestKeys);
  beforeEach(async () => {
    const stack = `st-${randomId(6)}`;
    profile = await awsProfile({ region: REGION, account: cloud.account, stack, bucket: stack });
    theirs = { [STACK_TAG]: stack, [HOME_TAG]: `${REGION}/theirs/` };
  });

  /** The stack's first queue, which is the dead-letter queue of its only group. */
  function deadQueue(): QueueResource {
    const [plan] = queuesOf(profile);
    if (plan === undefined) throw new Error('expected a queue');
    return new QueueResource(plan, { profile, clients });
  }

  /** Creates a bucket of the stack's name, with these tags. */
  async function createBucket(tags: Readonly<Record<string, string>>): Promise<string> {
    const { name: Bucket } = profile.bucket;
    await account.s3.createBucket({ Bucket });
    await account.s3.putBucketTagging({ Bucket, Tagging: { TagSet: toTagList(tags) } });
    return Bucket;
  }

  it('that is a queue of another home made after it was looked at keeps its attributes and tags', async () => {
    const queue = deadQueue();
    expect(await queue.look()).to.deep.equal({ state: 'absent' });
    const Attributes = { MessageRetentionPeriod: '60' };
    const { QueueUrl } = await account.sqs.createQueue({ QueueName: queue.name, Attributes, tags: theirs });
    const error = await rejection(queue.apply());
    expect(error).to.include({ kind: 'refused' });
    expect(error.message).to.include(`belongs to the stack ${profile.stack} of ${theirs[HOME_TAG]}`);
    const found = await account.sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['MessageRetentionPeriod'] });
    expect(found.Attributes).to.deep.equal(Attributes);
    expect((await account.sqs.listQueueTags({ QueueUrl })).Tags).to.deep.equal(theirs);
  });

  for (const [what, tagsFor] of [
    ['another stack', () => ({ [STACK_TAG]: 'other' })],
    ['another home', () => theirs],
    ['a person', () => ({ team: 'claims' })],
  ] as const)
    it(`that is an empty bucket of ${what} is kept by infra down`, async () => {
      const Bucket = await createBucket(tagsFor());
      const kept = await new BucketResource(profile, clients).remove({
        deleteData: true,
        force: false,
        outcomeOf: () => null,
        note: () => undefined,
      });
      expect(kept?.why).to.match(/^belongs to the stack |^was not made by batchctl$/);
      await account.s3.headBucket({ Bucket });
    });

  it('that has no home is not of a stack that this version made', async () => {
    const former = { [STACK_TAG]: profile.stack };
    const Bucket = await createBucket(tagsOf(profile));
    const place = { profile, clients };
    expect(await foreignOwner(place, former)).to.include('that an earlier version made, maybe another one than this');
    const TagSet = toTagList({ ...tagsOf(profile), [FORMER_TAG]: 'true' });
    await account.s3.putBucketTagging({ Bucket, Tagging: { TagSet } });
    expect(await foreignOwner(place, former)).to.equal(null);
  });

  it('shows other homes in the region, of which its own is none', async () => {
    const place = { profile, clients };
    const { stack } = profile;
    await account.sqs.createQueue({ QueueName: `${stack}-default`, tags: tagsOf(profile) });
    const own = await takeCensus(place, 'data');
    expect(own.items.map(({ name }) => name)).to.deep.equal([`${stack}-default`]);
    expect(own.others).to.deep.equal([]);
    for (const group of ['one', 'two']) await account.sqs.createQueue({ QueueName: `${stack}-${group}`, tags: theirs });
    const both = await takeCensus(place, 'data');
    expect(both.items).to.deep.equal(own.items);
    expect(both.others).to.deep.equal([theirs[HOME_TAG]]);
  });
});
