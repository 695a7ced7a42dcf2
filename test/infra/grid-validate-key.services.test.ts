// Protects: infra up rejects a KMS key that Auto Scaling can't use, before any instance fails to start.
import { KMS } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import { forSuite } from '../support/fixture.ts';
import { clientConfig } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { validate } from './grid-lab.ts';

const ROLE = 'role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling';

describe("validation of a customer's key", () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const kms = forSuite(() => new KMS(clientConfig(cloud)));

  /** What the validation of groups finds with a key. */
  const findings = (kmsKey?: string) => validate(cloud, kmsKey === undefined ? {} : { kmsKey }, 'grid');
  const createKey = async () => {
    const { KeyMetadata } = await kms.createKey({});
    return { arn: KeyMetadata?.Arn ?? '', KeyId: KeyMetadata?.KeyId ?? '' };
  };
  const role = (): string => `arn:aws:iam::${cloud.account}:${ROLE}`;

  it("fails if the key does not allow Auto Scaling's role, with the grant that fixes it", async () => {
    const { arn } = await createKey();
    const [finding] = await findings(arn);
    expect(finding).to.include({ status: 'fail' });
    expect(finding?.message).to.include("does not allow Auto Scaling's role");
    expect(finding?.mend).to.match(
      new RegExp(
        `^aws kms create-grant --region us-east-1 --key-id ${arn} --grantee-principal ${role()} --operations `,
      ),
    );
  });

  it('passes with a grant', async () => {
    const { arn, KeyId } = await createKey();
    await kms.createGrant({
      KeyId,
      GranteePrincipal: role(),
      Operations: ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'],
    });
    expect(await findings(arn)).to.deep.equal(await findings());
  });

  it('passes with a policy that names the role', async () => {
    const { arn, KeyId } = await createKey();
    const root = { AWS: `arn:aws:iam::${cloud.account}:root` };
    const Statement = [
      { Effect: 'Allow', Principal: root, Action: 'kms:*', Resource: '*' },
      { Effect: 'Allow', Principal: { AWS: [role()] }, Action: ['kms:CreateGrant'], Resource: '*' },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await kms.putKeyPolicy({ KeyId, PolicyName: 'default', Policy });
    expect(await findings(arn)).to.deep.equal(await findings());
  });

  it('fails if the key is disabled', async () => {
    const { arn, KeyId } = await createKey();
    await kms.disableKey({ KeyId });
    const [finding] = await findings(arn);
    expect(finding).to.include({ status: 'fail', mend: `aws kms enable-key --key-id ${arn}` });
  });

  it("warns if grants can't be read, with the grant that may be missing", async () => {
    const { arn } = await createKey();
    cloud.failNext('kms:GetKeyPolicy', 400, 'AccessDeniedException');
    cloud.failNext('kms:ListGrants', 400, 'AccessDeniedException');
    const [finding] = await findings(arn);
    expect(finding).to.include({ status: 'warn' });
    expect(finding?.mend).to.include('aws kms create-grant');
  });
});
