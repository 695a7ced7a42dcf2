// Protects: a stack of an earlier version is recognized as this home's only by what no other home can have.
import { expect } from 'chai';
import type { AwsProfile } from '../../src/config/profile.ts';
import { lastingTags, namesHome } from '../../src/infra/owner.ts';
import { policyFor } from '../../src/infra/policies.ts';
import { homeOf } from '../../src/lib/home.ts';
import { FORMER_TAG, HOME_TAG, STACK_TAG } from '../../src/lib/stack-names.ts';
import { awsProfile } from '../support/aws-profile.ts';

const BUCKET = { name: 'acme', existing: true, prefix: 'ours/' };

describe('the policy of a role', () => {
  for (const who of ['worker', 'manager'] as const)
    it(`of the ${who} is for the home in its region, bucket and prefix, and for no other`, async () => {
      const document = policyFor(who, await awsProfile({ bucket: BUCKET }));
      const names = async (fields: object): Promise<boolean> =>
        namesHome(encodeURIComponent(JSON.stringify(document)), who, await awsProfile({ bucket: BUCKET, ...fields }));
      expect(await names({})).to.equal(true);
      expect(await names({ region: 'eu-central-1' }), 'region').to.equal(false);
      expect(await names({ stack: 'quarter-end' }), 'stack').to.equal(false);
      expect(await names({ bucket: { ...BUCKET, name: 'other' } }), 'bucket').to.equal(false);
      expect(await names({ bucket: { ...BUCKET, prefix: '' } }), 'no prefix').to.equal(false);
      expect(await names({ bucket: { ...BUCKET, prefix: 'ours/too/' } }), 'longer prefix').to.equal(false);
    });

  it('of a stack whose name begins like this one is not for this home', async () => {
    const [longer, shorter] = await Promise.all([
      awsProfile({ bucket: BUCKET, stack: 'month-end-eu', groups: { default: {} } }),
      awsProfile({ bucket: BUCKET, stack: 'month-end', groups: { default: {} } }),
    ]);
    const names = (of: AwsProfile, home: AwsProfile): boolean =>
      namesHome(encodeURIComponent(JSON.stringify(policyFor('worker', of))), 'worker', home);
    expect(names(longer, shorter)).to.equal(false);
    expect(names(shorter, longer)).to.equal(false);
    const other = await awsProfile({ bucket: BUCKET, groups: { defaults: {} } });
    expect(names(other, await awsProfile({ bucket: BUCKET, groups: { default: {} } })), 'no group in common').to.equal(
      false,
    );
  });

  it('is for the home whether the profile names its account, named it then, or not', async () => {
    const [named, unnamed] = await Promise.all([
      awsProfile({ bucket: BUCKET }),
      awsProfile({ bucket: BUCKET, account: undefined }),
    ]);
    for (const [then, now] of [
      [named, unnamed],
      [unnamed, named],
    ] as const) {
      const document = encodeURIComponent(JSON.stringify(policyFor('worker', then)));
      expect(namesHome(document, 'worker', now)).to.equal(true);
    }
  });

  it('is for no home if the role has none', async () => {
    expect(namesHome(undefined, 'worker', await awsProfile({ bucket: BUCKET }))).to.equal(false);
  });
});

describe('the mark of a bucket or role that an earlier version made', () => {
  let profile: AwsProfile;
  let own: Readonly<Record<string, string>>;
  before(async () => {
    profile = await awsProfile({ tags: { team: 'claims' } });
    own = { team: 'claims', [STACK_TAG]: 'month-end', [HOME_TAG]: homeOf(profile) };
  });

  it('is given to one that has the tag of the stack and no home, and stays', () => {
    const marked = { ...own, [FORMER_TAG]: 'true' };
    expect(lastingTags(profile, { [STACK_TAG]: 'month-end' })).to.deep.equal(marked);
    expect(lastingTags(profile, marked)).to.deep.equal(marked);
  });

  it('is not given to one that this version made, or that has the tag of another stack', () => {
    expect(lastingTags(profile, {})).to.deep.equal(own);
    expect(lastingTags(profile, own)).to.deep.equal(own);
    expect(lastingTags(profile, { [STACK_TAG]: 'other' })).to.deep.equal(own);
  });
});
