// Protects: a stack's home is a tag that each service accepts, and the account in which homes are compared has regions
// as AWS has them: IAM has none, and tags are read back as they were set.
import { expect } from 'chai';
import fc from 'fast-check';
import { toTagList } from '../../src/infra/tags.ts';
import { homeOf } from '../../src/lib/home.ts';
import { HOME_TAG } from '../../src/lib/stack-names.ts';
import { departures, hasModels, readModel } from '../support/aws-model.mjs';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { rejection } from '../support/rejection.ts';

const bucket = (prefix: string, name = 'acme') => ({ name, existing: true, owner: null, prefix });

describe("a stack's home", () => {
  it('is region, bucket and prefix, or a hash of a prefix that a tag may not have', () => {
    expect(homeOf({ region: 'eu-west-1', bucket: bucket('batchctl/') })).to.equal('eu-west-1/acme/batchctl/');
    expect(homeOf({ region: 'eu-west-1', bucket: bucket('') })).to.equal('eu-west-1/acme/');
    expect(homeOf({ region: 'eu-west-1', bucket: bucket('a*b/') })).to.match(/^eu-west-1\/acme\/=[0-9a-f]{32}$/);
    expect(homeOf({ region: 'eu-west-1', bucket: bucket(`${'p'.repeat(300)}/`) })).to.match(/^eu-west-1\/acme\/=/);
  });

  it('is accepted by each service that tags, whatever the prefix, and differs for two prefixes', function () {
    if (!hasModels()) this.skip();
    const [iam, sqs, autoscaling, ec2] = ['iam', 'sqs', 'autoscaling', 'ec2'].map(readModel);
    const prefix = fc.oneof(fc.string({ maxLength: 400 }), fc.string({ unit: 'binary', maxLength: 400 }));
    fc.assert(
      fc.property(prefix, prefix, (one, other) => {
        const [first, second] = [one, other].map((each) => homeOf({ region: 'eu-west-1', bucket: bucket(`${each}/`) }));
        const tags = { [HOME_TAG]: first ?? '' };
        const Tags = toTagList(tags);
        const found = [
          iam && departures(iam, 'TagRole', { RoleName: 'r', Tags }),
          sqs && departures(sqs, 'TagQueue', { QueueUrl: 'https://q', Tags: tags }),
          autoscaling && departures(autoscaling, 'CreateOrUpdateTags', { Tags }),
          ec2 && departures(ec2, 'CreateTags', { Resources: ['sg-1'], Tags }),
        ];
        expect(found.flat()).to.deep.equal([]);
        expect(first === second).to.equal(one === other);
      }),
      { numRuns: 40 },
    );
  });
});

describe('the emulated account', () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const here = forSuite(() => accountClients(cloud, { region: 'us-east-1' }));
  const there = forSuite(() => accountClients(cloud, { region: 'eu-west-1' }));

  it('has one IAM for all regions, and tags of roles that are set, replaced and removed by their keys', async () => {
    const RoleName = 'one-worker';
    const Tags = [{ Key: HOME_TAG, Value: 'us-east-1/acme/' }];
    await here.iam.createRole({ RoleName, AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}', Tags });
    const tagsThere = async () => (await there.iam.getRole({ RoleName })).Role?.Tags;
    expect(await tagsThere()).to.deep.equal(Tags);
    await there.iam.tagRole({ RoleName, Tags: [{ Key: HOME_TAG, Value: 'eu-west-1/acme/' }] });
    expect((await here.iam.getRole({ RoleName })).Role?.Tags?.map(({ Value }) => Value)).to.deep.equal([
      'eu-west-1/acme/',
    ]);
    await here.iam.untagRole({ RoleName, TagKeys: [HOME_TAG] });
    expect((await tagsThere()) ?? []).to.deep.equal([]);
  });

  it('has queues and groups of each region apart, and tags of queues that are added and replaced by their keys', async () => {
    const QueueName = 'one-default';
    const { QueueUrl } = await here.sqs.createQueue({ QueueName, tags: { [HOME_TAG]: 'us-east-1/acme/' } });
    expect((await rejection(there.sqs.getQueueUrl({ QueueName }))).name).to.match(/NonExistentQueue|QueueDoesNotExist/);
    await here.sqs.tagQueue({ QueueUrl, Tags: { team: 'a' } });
    await here.sqs.tagQueue({ QueueUrl, Tags: { [HOME_TAG]: 'us-east-1/other/' } });
    const tags = { [HOME_TAG]: 'us-east-1/other/', team: 'a' };
    expect((await here.sqs.listQueueTags({ QueueUrl })).Tags).to.deep.equal(tags);
    await here.sqs.untagQueue({ QueueUrl, TagKeys: [HOME_TAG] });
    expect((await here.sqs.listQueueTags({ QueueUrl })).Tags).to.deep.equal({ team: 'a' });
    expect((await there.scaling.describeAutoScalingGroups({})).AutoScalingGroups).to.deep.equal([]);
  });
});
