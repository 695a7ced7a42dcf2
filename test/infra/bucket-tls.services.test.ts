// Protects: a bucket rejects plain HTTP, and no one else's bucket policy is overwritten.
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { BucketResource } from '../../src/infra/bucket.ts';
import type { ResourceState } from '../../src/infra/resource.ts';
import { randomId } from '../../src/lib/id.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients } from '../support/grid/account-clients.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startTlsFront } from '../support/servers/proxies.ts';

/** A statement that a person wrote into the bucket's policy. */
const THEIRS = { Sid: 'Theirs', Effect: 'Allow', Principal: '*', Action: 's3:GetObject' };
const LACK = 'requests without TLS are accepted';
const DIFFERS: ResourceState = { state: 'differs', differences: [LACK] };

describe('a bucket reached by TLS', () => {
  const moto = forSuite(() => sharedMoto());
  const front = forSuite(() => startTlsFront(moto.url));
  const others = forSuite(() => accountClients(moto));
  const clients = forSuite(() => {
    const env = { AWS_CA_BUNDLE: front.ca };
    return new AwsClients({ region: 'us-east-1', profile: null, account: null, endpoints: { s3: front.url }, env });
  });
  let Bucket: string;

  before(useTestKeys);
  beforeEach(() => {
    Bucket = `tls-${randomId(6)}`;
  });

  async function bucket(settings: object = {}): Promise<BucketResource> {
    const fields = { region: 'us-east-1', stack: Bucket, bucket: { name: Bucket, ...settings } };
    return new BucketResource(await awsProfile(fields), clients);
  }
  const put = (policy: object) =>
    others.s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', ...policy }) });
  const statements = async () => JSON.parse((await others.s3.getBucketPolicy({ Bucket })).Policy ?? '{}').Statement;
  /** From S3's documentation (S3: bucket policy examples, "Managing bucket access with HTTPS only"). */
  const tlsOnly = () => ({
    Sid: 'BatchctlTlsOnly',
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  });

  it('rejects requests without TLS as soon as it is created', async () => {
    const resource = await bucket();
    expect(await resource.look()).to.deep.equal({ state: 'absent' });
    await resource.apply();
    expect(await statements()).to.deep.equal([tlsOnly()]);
    expect(await resource.look()).to.deep.equal({ state: 'asItShould' });
  });

  it('gets its TLS statement back after a person replaced its policy, and keeps their statements', async () => {
    const resource = await bucket();
    await resource.apply();
    const theirs = { ...THEIRS, Resource: `arn:aws:s3:::${Bucket}/public/*` };
    await put({ Statement: [theirs] });
    expect(await resource.look()).to.deep.equal(DIFFERS);
    await resource.apply();
    expect(await statements()).to.deep.equal([theirs, tlsOnly()]);
    expect(await resource.look()).to.deep.equal({ state: 'asItShould' });
  });

  it('gets its TLS statement back, only once, after a person weakened it', async () => {
    const resource = await bucket();
    await resource.apply();
    const weak = [
      { ...tlsOnly(), Effect: 'Allow' },
      { ...tlsOnly(), Resource: [`arn:aws:s3:::${Bucket}/public/*`] },
      { ...tlsOnly(), Action: 's3:PutObject' },
      { ...tlsOnly(), Principal: { AWS: 'arn:aws:iam::123456789012:user/ana' } },
      { ...tlsOnly(), Condition: { Bool: { 'aws:SecureTransport': 'true' } } },
      { ...tlsOnly(), Condition: { ...tlsOnly().Condition, StringEquals: { 'aws:PrincipalTag/a': 'b' } } },
    ];
    for (const each of weak) {
      await put({ Statement: [each] });
      expect(await resource.look(), JSON.stringify(each)).to.deep.equal(DIFFERS);
      await resource.apply();
      expect(await statements()).to.deep.equal([tlsOnly()]);
    }
  });

  it('created by someone else is only checked, and any wording that rejects plain HTTP is accepted', async () => {
    await (await bucket()).apply();
    const resource = await bucket({ existing: true, prefix: 'ours/' });
    const httpsOnly = { ...tlsOnly(), Sid: 'HttpsOnly' };
    const inTransport = (value: unknown) => ({ Bool: { 'aws:SecureTransport': value } });
    const wordings = [
      { ...httpsOnly, Principal: { AWS: '*' }, Action: ['s3:*'], Condition: inTransport(false) },
      { ...httpsOnly, Action: '*', Resource: '*', Condition: inTransport(['false']) },
    ];
    for (const each of wordings) {
      // A single statement needs no list (IAM: JSON policy elements, Statement).
      for (const Statement of [[each], each]) {
        await put({ Statement });
        expect(await resource.look(), JSON.stringify(each)).to.deep.equal({ state: 'asItShould' });
      }
    }
    const theirs = { ...THEIRS, Resource: `arn:aws:s3:::${Bucket}/*` };
    await put({ Statement: theirs });
    const found = await resource.look();
    const lacks = found.state === 'lacks' ? found.lacks : [];
    expect(lacks.map(({ what }) => what)).to.deep.equal([LACK]);
    expect(lacks[0]?.fix).to.include(`get-bucket-policy --bucket ${Bucket}`).and.include(JSON.stringify(tlsOnly()));
    expect(await statements()).to.deep.equal(theirs);
  });
});
