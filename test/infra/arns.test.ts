// Protects: IAM policies name exactly the objects, parameters and secrets of a profile, so that workers can read them.
import { expect } from 'chai';
import { Arns } from '../../src/infra/arns.ts';
import { POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';

describe('ARNs of secrets', () => {
  it('have no version of a parameter, and a wildcard for the suffix of a secret, as IAM requires', async () => {
    const arns = new Arns(await awsProfile());
    const claims = 'arn:aws:ssm:eu-west-1:123456789012:parameter/claims/key';
    for (const name of ['/claims/key', 'claims/key', '/claims/key:3', claims])
      expect(arns.parameter(name)).to.equal(claims);
    expect(arns.secret('claims/db')).to.equal('arn:aws:secretsmanager:eu-west-1:123456789012:secret:claims/db-??????');
  });
});

/** A valid policy document for IAM (IAM: PutRolePolicy, PolicyDocument). */
const DOCUMENT = /^[\t\n\r\x20-\xff]+$/;

describe('the policies on objects', () => {
  const may = (policy: PolicyDocument, key: string, action = 's3:GetObject'): boolean =>
    allows(policy, { action, resource: `arn:aws:s3:::${key}`, context: {} });

  it('cover exactly the prefix of the profile, whatever its characters mean to IAM', async () => {
    const prefixes: readonly (readonly [string, readonly string[]])[] = [
      ['a*b/', ['axb/', 'a/b/']],
      ['a?b/', ['axb/']],
      ['$' + '{aws:username}/', ['aws:username/', 'me/']],
      ['données/', ['donnes/', 'donn/']],
      // IAM does not accept such a character; the wildcard for any character replaces it.
      ['日本/', ['日/', 'jobs/']],
    ];
    for (const [prefix, others] of prefixes) {
      const profile = await awsProfile({ bucket: { name: 'acme', prefix } });
      for (const role of POLICY_ROLES) {
        const policy = policyFor(role, profile);
        expect(JSON.stringify(policy), prefix).to.match(DOCUMENT);
        const key = role === 'admin' ? 'releases/one' : 'jobs/one';
        expect(may(policy, `acme/${prefix}${key}`), `${role} ${prefix}`).to.equal(true);
        for (const other of others) expect(may(policy, `acme/${other}${key}`), `${role} ${other}`).to.equal(false);
        if (role === 'admin') continue;
        const mayList = (below: string): boolean =>
          allows(policy, { action: 's3:ListBucket', resource: 'arn:aws:s3:::acme', context: { 's3:prefix': below } });
        expect([prefix, ...others].map(mayList), `${role} ${prefix}`).to.deep.equal([true, ...others.map(() => false)]);
      }
    }
  });

  it("cover keys that groups read and write in other buckets, in S3's spelling", async () => {
    const places = ['s3://raw/in#1/', 's3://raw/données/', 's3://raw/q?x/', 's3://whole'];
    const groups = { default: { read: places, write: places.map((place) => place.replace('raw', 'out')) } };
    const policy = policyFor('worker', await awsProfile({ groups }));
    expect(JSON.stringify(policy)).to.match(DOCUMENT);
    for (const key of ['raw/in#1/a', 'raw/données/a', 'raw/q?x/a', 'whole/a'])
      expect(may(policy, key), key).to.equal(true);
    for (const key of ['raw/in', 'raw/in/a', 'raw/q', 'raw/q/a']) expect(may(policy, key), key).to.equal(false);
    for (const key of ['out/in#1/a', 'out/données/a']) expect(may(policy, key, 's3:PutObject'), key).to.equal(true);
    expect(may(policy, 'out/in', 's3:PutObject')).to.equal(false);
  });
});
