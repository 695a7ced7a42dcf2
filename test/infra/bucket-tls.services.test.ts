// Protects: a bucket rejects plain HTTP, and no one else's bucket policy is overwritten.
import { GetBucketPolicyCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { BucketResource } from '../../src/infra/bucket.ts';
import { randomId } from '../../src/lib/id.ts';
import { signWithAnyKeys } from '../support/aws-keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startTlsFront } from '../support/servers/proxies.ts';

/** A statement that a person wrote into the bucket's policy. */
const THEIRS = { Sid: 'Theirs', Effect: 'Allow', Principal: '*', Action: 's3:GetObject' };
const LACK = 'requests without TLS are accepted';

describe('a bucket reached by TLS', () => {
  const moto = forSuite(() => sharedMoto());
  const front = forSuite(() => startTlsFront(moto.url));
  let s3: S3Client;
  let clients: AwsClients;
  let Bucket: string;

  before(async () => {
    signWithAnyKeys();
    const credentials = { accessKeyId: 'AKIDOTHER', secretAccessKey: 's' };
    s3 = new S3Client({ region: 'us-east-1', endpoint: moto.url, credentials, forcePathStyle: true });
    clients = new AwsClients({
      ...{ region: 'us-east-1', profile: null, account: null, endpoints: { s3: front.url } },
      env: { AWS_CA_BUNDLE: front.ca },
    });
  });
  beforeEach(() => {
    Bucket = `tls-${randomId(6)}`;
  });
  after(async () => {
    await clients?.close();
    s3?.destroy();
  });

  async function bucket(settings: object = {}): Promise<BucketResource> {
    const fields = { region: 'us-east-1', stack: Bucket, bucket: { name: Bucket, ...settings } };
    return new BucketResource(await awsProfile(fields), clients);
  }
  const put = (policy: object) =>
    s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', ...policy }) }));
  const statements = async () =>
    JSON.parse((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy ?? '{}').Statement;
  /** As S3's documentation has it (S3: bucket policy examples, "Managing bucket access with HTTPS only"). */
  const tlsOnly = () => ({
    ...{ Sid: 'BatchctlTlsOnly', Effect: 'Deny', Principal: '*', Action: 's3:*' },
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
    expect(await resource.look()).to.deep.equal({ state: 'differs', differences: [LACK] });
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
      expect(await resource.look(), JSON.stringify(each)).to.deep.equal({ state: 'differs', differences: [LACK] });
      await resource.apply();
      expect(await statements()).to.deep.equal([tlsOnly()]);
    }
  });

  it('created by someone else is only checked, and any wording that rejects plain HTTP is accepted', async () => {
    await (await bucket()).apply();
    const resource = await bucket({ existing: true, prefix: 'ours/' });
    const objects = `arn:aws:s3:::${Bucket}/*`;
    const enough = [
      {
        ...tlsOnly(),
        Sid: 'HttpsOnly',
        Principal: { AWS: '*' },
        Action: ['s3:*'],
        Condition: { Bool: { 'aws:SecureTransport': false } },
      },
      {
        ...tlsOnly(),
        Sid: 'HttpsOnly',
        Action: '*',
        Resource: '*',
        Condition: { Bool: { 'aws:SecureTransport': ['false'] } },
      },
    ];
    for (const each of enough) {
      // A single statement needs no list (IAM: JSON policy elements, Statement).
      for (const Statement of [[each], each]) {
        await put({ Statement });
        expect(await resource.look(), JSON.stringify(each)).to.deep.equal({ state: 'asItShould' });
      }
    }
    const theirs = { ...THEIRS, Resource: objects };
    await put({ Statement: theirs });
    const found = await resource.look();
    const lacks = found.state === 'lacks' ? found.lacks : [];
    expect(lacks.map(({ what }) => what)).to.deep.equal([LACK]);
    expect(lacks[0]?.mend).to.include(`get-bucket-policy --bucket ${Bucket}`).and.include(JSON.stringify(tlsOnly()));
    expect(await statements()).to.deep.equal(theirs);
  });
});
