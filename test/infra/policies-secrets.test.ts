// Protects: workers, which run other people's code, can't read or change API tokens and the manager's certificate.
import { expect } from 'chai';
import { POLICY_ROLES, type PolicyRole, policyFor } from '../../src/infra/policies.ts';
import { CERTIFICATE_KEY, tokenKey } from '../../src/model/keys.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { allows } from '../support/iam.ts';

/** The keys of access tokens, and of the manager's certificate. */
const SECRETS = [tokenKey('a'.repeat(64)), CERTIFICATE_KEY];
const ACTIONS = ['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject', 's3:DeleteObject', 's3:DeleteObjectVersion'];

describe('the policies on tokens and the certificate of the manager', () => {
  /** The actions that a role may do with a key below a prefix. */
  async function may(role: PolicyRole, key: string, prefix: string): Promise<readonly string[]> {
    const policy = policyFor(role, await awsProfile({ manager: {}, bucket: { name: 'acme', prefix } }));
    const resource = `arn:aws:s3:::acme/${prefix}${key}`;
    return ACTIONS.filter((action) => allows(policy, { action, resource, context: {} }));
  }

  for (const prefix of ['', 'batchctl/']) {
    it(`deny them to workers, who run other people's jobs (prefix "${prefix}")`, async () => {
      for (const key of SECRETS) expect(await may('worker', key, prefix), key).to.deep.equal([]);
    });

    it(`allow them to the manager and to operators, who create and revoke tokens (prefix "${prefix}")`, async () => {
      const all = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'];
      for (const role of ['manager', 'operator'] as const)
        for (const key of SECRETS) expect(await may(role, key, prefix), key).to.deep.equal(all);
    });

    it(`let the administrator delete them with the data, but not read them (prefix "${prefix}")`, async () => {
      for (const key of SECRETS)
        expect(await may('admin', key, prefix), key).to.deep.equal(['s3:DeleteObject', 's3:DeleteObjectVersion']);
    });
  }

  it('are tested for every role', () => {
    expect([...POLICY_ROLES].sort()).to.deep.equal(['admin', 'manager', 'operator', 'worker']);
  });

  it('decrypt with the keys of inputs that groups name, and create data keys only for groups that deliver', async () => {
    const [input, output] = ['0a', '0b'].map((id) => `arn:aws:kms:eu-west-1:123456789012:key/${id}`);
    const groups = {
      default: { read: ['s3://raw/claims/'], keys: [input] },
      out: { write: ['s3://results/'], keys: [output] },
    };
    const policy = policyFor('worker', await awsProfile({ groups }));
    const may = (action: string, resource = ''): boolean => allows(policy, { action, resource, context: {} });
    expect([may('kms:Decrypt', input), may('kms:Decrypt', output)]).to.deep.equal([true, true]);
    expect([may('kms:GenerateDataKey', input), may('kms:GenerateDataKey', output)]).to.deep.equal([false, true]);
  });
});
