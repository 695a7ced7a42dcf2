// Protects: the permissions of a role depend on the profile: who owns the bucket, and how users sign in to the ledger.
import { expect } from 'chai';
import { adminPolicyFor, POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { actionsOf, allows } from '../support/iam.ts';

const ACCOUNT = '123456789012';

describe('permissions that depend on the profile', () => {
  it('roles that open a ledger with IAM sign-in may connect as its user, and those that create roles or instances may not', async () => {
    for (const kind of ['postgres', 'mysql']) {
      const ledger = { kind, url: `${kind}://me@db.example.com/batch`, iam: true };
      const profile = await awsProfile({ account: ACCOUNT, ledger, manager: {} });
      const policies = [...POLICY_ROLES.map((role) => policyFor(role, profile)), adminPolicyFor('data', profile)];
      const others = (['iam', 'grid', 'manager'] as const).map((part) => adminPolicyFor(part, profile));
      const connects = (document: PolicyDocument): boolean => actionsOf(document).includes('rds-db:connect');
      expect([...policies, ...others].map(connects)).to.deep.equal([true, true, true, true, true, false, false, false]);
    }
  });

  for (const kind of ['postgres', 'mysql'] as const) {
    it(`roles that open a ${kind} ledger with a password may read that secret, and decrypt with its key only`, async () => {
      const key = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/0a`;
      const ledger = {
        kind,
        url: `${kind}://me@db.example.com/batch`,
        password: 'secretsmanager:month-end/db#password',
        passwordKey: key,
      };
      const profile = await awsProfile({ account: ACCOUNT, ledger, manager: {} });
      const openers = [...POLICY_ROLES.map((role) => policyFor(role, profile)), adminPolicyFor('data', profile)];
      const others = (['iam', 'grid', 'manager'] as const).map((part) => adminPolicyFor(part, profile));
      const arn = `arn:aws:secretsmanager:eu-west-1:${ACCOUNT}:secret:`;
      const context = { 'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com' };
      const reads = { action: 'secretsmanager:GetSecretValue', resource: `${arn}month-end/db-a1b2c3`, context: {} };
      const decrypts = { action: 'kms:Decrypt', resource: key, context };
      for (const call of [reads, decrypts]) {
        expect(openers.map((policy) => allows(policy, call))).to.deep.equal([true, true, true, true, true]);
        expect(others.map((policy) => allows(policy, call))).to.deep.equal([false, false, false]);
      }
      for (const call of [
        { ...reads, resource: `${arn}month-end/db2-a1b2c3` },
        { ...reads, action: 'secretsmanager:PutSecretValue' },
        { ...decrypts, context: { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' } },
        { ...decrypts, resource: `${key}b` },
      ])
        expect(openers.filter((policy) => allows(policy, call))).to.deep.equal([]);
      expect(openers.flatMap(actionsOf)).not.to.include.oneOf(['ssm:GetParametersByPath', 'rds-db:connect']);
    });
  }

  it('roles that open a ledger with a parameter may read that parameter', async () => {
    const ledger = { kind: 'mysql', url: 'mysql://me@db.example.com/batch', password: 'ssm:/month-end/db:3' };
    const kmsKey = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/0a`;
    const profile = await awsProfile({ account: ACCOUNT, ledger, kmsKey });
    const resource = `arn:aws:ssm:eu-west-1:${ACCOUNT}:parameter/month-end/db`;
    const context = { 'kms:ViaService': 'ssm.eu-west-1.amazonaws.com' };
    for (const policy of [policyFor('worker', profile), adminPolicyFor('data', profile)]) {
      expect(allows(policy, { action: 'ssm:GetParameter', resource, context: {} })).to.equal(true);
      expect(allows(policy, { action: 'kms:Decrypt', resource: kmsKey, context })).to.equal(true);
      expect(allows(policy, { action: 'ssm:GetParameter', resource: `${resource}2`, context: {} })).to.equal(false);
    }
  });

  it("an administrator deletes all data of the stack's own bucket or below its prefix, and only release files elsewhere", async () => {
    const RELEASES = ['releases/0000.json', `releases/${'0a'.repeat(32)}.tar.gz`, `releases/setup-${'0a'.repeat(32)}`];
    const DATA = ['data/a', 'jobs/j/job.json', 'releases/app-1.2.tar.gz', 'releases/notes.json', 'tokens/0a.json'];
    const mayDelete = async (bucket: object | string): Promise<readonly string[]> => {
      const { prefix = '' } = typeof bucket === 'string' ? {} : (bucket as { readonly prefix?: string });
      const policy = policyFor('admin', await awsProfile({ stack: 'month-end', account: ACCOUNT, bucket }));
      return [...RELEASES, ...DATA].filter((key) =>
        ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:AbortMultipartUpload'].some((action) =>
          allows(policy, { action, resource: `arn:aws:s3:::acme/${prefix}${key}`, context: {} }),
        ),
      );
    };
    expect(await mayDelete('acme')).to.deep.equal([...RELEASES, ...DATA]);
    expect(await mayDelete({ name: 'acme', existing: true, prefix: 'batch/' })).to.deep.equal([...RELEASES, ...DATA]);
    expect(await mayDelete({ name: 'acme', existing: true })).to.deep.equal(RELEASES);
    const shared = policyFor('admin', await awsProfile({ bucket: { name: 'acme', existing: true } }));
    expect(actionsOf(shared)).not.to.include.oneOf([
      's3:DeleteObjectVersion',
      's3:AbortMultipartUpload',
      's3:DeleteBucket',
    ]);
  });
});
