// Protects: doctor finds wrong AWS credentials, accounts and bucket settings before they spoil a job.
import { S3 } from '@aws-sdk/client-s3';
import { expect } from 'chai';
import { DoctorProfile } from '../support/doctor-profile.ts';
import { expectExit } from '../support/expect-exit.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { clientConfig } from '../support/grid/account-clients.ts';
import { sharedFauxqs } from '../support/servers/fauxqs.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { keysBelow } from '../support/stored.ts';
import { writeCredentials } from './emulated-aws.ts';

describe('doctor on AWS: credentials and bucket', () => {
  const moto = forSuite(() => sharedMoto());
  const sqs = forSuite(() => sharedFauxqs());
  const doctor = forEachTest(() => DoctorProfile.make(moto, sqs));

  it('passes if everything is correct, says what it checked, and leaves nothing behind', async () => {
    const { code, names, of, stderr } = await doctor.examine();
    expect({ code, names, stderr }).to.deep.equal({ code: 0, names: [], stderr: '' });
    expect(of('identity').message).to.include('arn:aws:sts::123456789012');
    expect(of('bucket').message).to.include('us-east-1').and.include('123456789012');
    expect(of('queue').message).to.include('a lease lasts 30 s');
    expect(of('ledger').message).to.equal('it is in the bucket');
    expect(of('versioning').message).to.include('off');
    expect(of('credentialsEnd').message).to.equal('they do not expire, or do not say when');
    expect(of('createIfAbsent').message).to.include('created once');
    expect(await keysBelow((await doctor.workspace.platform()).store, '')).to.deep.equal([]);
  });

  it('warns if a bucket with versions keeps them for ever', async () => {
    const s3 = new S3({ ...clientConfig(moto), forcePathStyle: true });
    const Bucket = doctor.workspace.stack;
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    expect((await doctor.finds(['versioning warn'])).fix).to.include('NoncurrentVersionExpiration');
    const rules = { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 }, Filter: { Prefix: '' } };
    const Rules = [{ ...rules, Status: 'Enabled' as const, NoncurrentVersionExpiration: { NoncurrentDays: 30 } }];
    await s3.putBucketLifecycleConfiguration({ Bucket, LifecycleConfiguration: { Rules } });
    expect((await doctor.examine()).of('versioning').message).to.include('removed after 30 days');
    s3.destroy();
  });

  it('fails for the wrong account, and writes nothing', async () => {
    doctor.profile.account = '999999999999';
    expect((await doctor.finds(['account fail'])).message).to.include('999999999999, found 123456789012');
    expect(doctor.proxy.count(({ method, url }) => method !== 'GET' && method !== 'HEAD' && url !== '/')).to.equal(0);
  });

  it('warns if the profile has no account', async () => {
    doctor.profile.account = undefined;
    expect((await doctor.finds(['account warn'])).fix).to.include('"account": "123456789012"');
  });

  it('fails without credentials, with the fix', async () => {
    const none = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' };
    const identity = expectExit(await doctor.examine(none), 3).of('identity');
    expect(identity).to.include({ severity: 'fail' });
    expect(identity.message).to.include('no AWS credentials');
    expect(identity.fix).to.include('aws sso login');
  });

  it('fails if credentials have expired, with the fix', async () => {
    const ended =
      '<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>gone</Message></Error></ErrorResponse>';
    doctor.proxy.fail(99, { kind: 'answer', status: 403, body: ended }, ({ method }) => method === 'POST');
    doctor.proxy.fail(99, { kind: 'answer', status: 400, code: 'ExpiredToken' });
    const identity = expectExit(await doctor.examine({ AWS_SESSION_TOKEN: 'x' }), 3).of('identity');
    expect(identity.message).to.include('the credentials have expired');
    expect(identity.fix).to.include('aws sso login');
  });

  it('warns if credentials expire within the hour', async () => {
    const env = writeCredentials(doctor.workspace, new Date(Date.now() + 600_000));
    doctor.profile.aws = { profile: 'lab' };
    expect((await doctor.finds(['credentialsEnd warn'], env)).message).to.match(/they expire in (9m|10m)/);
  });

  it('fails without a bucket', async () => {
    doctor.profile.bucket = { name: 'no-such-bucket-anywhere' };
    expect((await doctor.finds(['bucket fail'])).message).to.include('no-such-bucket-anywhere does not exist');
  });

  it('fails for a bucket in another region, with the line that fixes it', async () => {
    const name = `${doctor.workspace.stack}-ireland`;
    const xml =
      '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>';
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=x';
    const made = await fetch(`${moto.url}/${name}`, { method: 'PUT', body: xml, headers: { authorization } });
    expect(made.status, await made.text()).to.equal(200);
    doctor.profile.bucket = { name };
    const found = await doctor.finds(['bucket fail']);
    expect(found).to.include({ fix: '"region": "eu-west-1" in the profile' });
  });

  it("fails for another account's bucket, or one that can't be listed, with action and resource", async () => {
    const denied = { kind: 'answer', status: 403 } as const;
    doctor.proxy.fail(9, denied, ({ method, url }) => method === 'HEAD' || url.includes('prefix='));
    const { message } = await doctor.finds(['bucket fail']);
    expect(message).to.include(`s3:ListBucket on arn:aws:s3:::${doctor.workspace.stack} is denied`);
    expect(message).to.include('another account than 123456789012');
  });

  it('fails for a bucket that may be listed only by prefix, with the condition to use', async () => {
    doctor.proxy.fail(9, { kind: 'answer', status: 403 }, ({ method }) => method === 'HEAD');
    const { message, fix } = await doctor.finds(['bucket fail']);
    expect(message).to.include('is allowed only for requests with a prefix');
    expect(fix).to.include('StringLikeIfExists');
  });

  it('fails for an endpoint that ignores If-None-Match', async () => {
    const made = await fetch(`${sqs.url}/${doctor.workspace.stack}`, { method: 'PUT' });
    expect(made.ok).to.equal(true);
    doctor.profile.endpoints = { s3: sqs.url, sqs: sqs.url, sts: doctor.proxy.url };
    const found = expectExit(await doctor.examine(), 3).of('createIfAbsent');
    expect(found).to.include({ severity: 'fail' });
    expect(found.message).to.include('a second create of a name returned created');
    expect(found.fix).to.include('If-None-Match');
  });

  it('fails if a lifecycle rule deletes results, and warns if only after a long time', async () => {
    const rule = (days: number): string =>
      `<Rule><ID>tidy</ID><Filter><Prefix>batchctl/jobs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>${days}</Days></Expiration></Rule>`;
    await doctor.lifecycle(rule(7));
    expect((await doctor.finds(['lifecycle fail'])).message).to.include(
      '"tidy" deletes objects below batchctl/jobs/ after 7 days',
    );
    await doctor.lifecycle(rule(365));
    expect((await doctor.finds(['lifecycle warn'])).message).to.include('after 365 days');
  });

  it('warns if no rule removes unfinished uploads', async () => {
    const other =
      '<Rule><ID>else</ID><Filter><Prefix>other/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>';
    await doctor.lifecycle(other, '');
    expect((await doctor.finds(['lifecycle warn'])).fix).to.include('AbortIncompleteMultipartUpload');
  });

  it('warns if public access is not blocked, and names settings that it may not read', async () => {
    await fetch(`${moto.url}/${doctor.workspace.stack}?publicAccessBlock`, { method: 'DELETE' });
    expect((await doctor.finds(['publicAccess warn'])).fix).to.include('put-public-access-block');
    for (const setting of ['?lifecycle', '?publicAccessBlock'])
      doctor.proxy.fail(9, { kind: 'answer', status: 403, code: 'AccessDenied' }, ({ url }) => url.includes(setting));
    const found = await doctor.finds(['publicAccess warn', 'lifecycle warn']);
    expect(found.message).to.include('s3:GetBucketPublicAccessBlock');
  });
});
