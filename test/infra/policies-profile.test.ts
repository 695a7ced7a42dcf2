// Protects: the permissions of a role depend on the profile: who owns the bucket, and how users sign in to the ledger.
import { expect } from 'chai';
import { adminPolicyFor, POLICY_ROLES, policyFor } from '../../src/infra/policies.ts';
import type { PolicyDocument } from '../../src/infra/policy.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { actionsOf, allows } from '../support/iam.ts';

const ACCOUNT = '123456789012';

describe('permissions that depend on the profile', () => {
  it('roles that open a ledger with IAM sign-in may connect as its user, and those that create roles or instances may not', async () => {
    const ledger = { kind: 'postgres', url: 'postgres://me@db.example.com/batch', iam: true };
    const profile = await awsProfile({ account: ACCOUNT, ledger, manager: {} });
    const policies = [...POLICY_ROLES.map((role) => policyFor(role, profile)), adminPolicyFor('data', profile)];
    const others = (['iam', 'grid', 'manager'] as const).map((part) => adminPolicyFor(part, profile));
    const connects = (document: PolicyDocument): boolean => actionsOf(document).includes('rds-db:connect');
    expect([...policies, ...others].map(connects)).to.deep.equal([true, true, true, true, true, false, false, false]);
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
