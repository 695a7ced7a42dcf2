// Protects: infra up rejects a KMS key that Auto Scaling can't use, before any instance fails to start.
import { CreateGrantCommand, CreateKeyCommand, DisableKeyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import type { StackPart } from '../../src/infra/resource.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { openResources, validated } from '../support/grid/emulated-account.ts';

const ROLE = 'role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling';

describe("validation of a customer's key", () => {
  const cloud = forSuite(() => startCloud({ sqs: 'moto' }));
  const resources = forSuite(() => openResources(cloud));

  const found = (settings: object, only: StackPart | null = null) => validated(cloud, { ...settings }, only);
  const keyWith = async (policy?: object) => {
    const client = await resources.parts.clients.kms();
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
    const { Arn: arn = '', KeyId = '' } = KeyMetadata ?? {};
    if (policy !== undefined) {
      await client.send(new PutKeyPolicyCommand({ KeyId, PolicyName: 'default', Policy: JSON.stringify(policy) }));
    }
    return { arn, KeyId, client };
  };
  const role = (): string => `arn:aws:iam::${cloud.account}:${ROLE}`;

  it("fails if the key does not allow Auto Scaling's role, with the grant that fixes it", async () => {
    const { arn } = await keyWith();
    const [finding] = await found({ kmsKey: arn }, 'grid');
    expect(finding).to.include({ status: 'fail' });
    expect(finding?.message).to.include("does not allow Auto Scaling's role");
    expect(finding?.mend).to.match(
      new RegExp(
        `^aws kms create-grant --region us-east-1 --key-id ${arn} --grantee-principal ${role()} --operations `,
      ),
    );
  });

  it('passes with a grant', async () => {
    const { arn, KeyId, client } = await keyWith();
    const Operations = ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'] as const;
    await client.send(new CreateGrantCommand({ KeyId, GranteePrincipal: role(), Operations: [...Operations] }));
    expect(await found({ kmsKey: arn }, 'grid')).to.deep.equal(await found({}, 'grid'));
  });

  it('passes with a policy that names the role', async () => {
    const { arn } = await keyWith({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${cloud.account}:root` }, Action: 'kms:*', Resource: '*' },
        { Effect: 'Allow', Principal: { AWS: [role()] }, Action: ['kms:CreateGrant'], Resource: '*' },
      ],
    });
    expect(await found({ kmsKey: arn }, 'grid')).to.deep.equal(await found({}, 'grid'));
  });

  it('fails if the key is disabled', async () => {
    const { arn, KeyId, client } = await keyWith();
    await client.send(new DisableKeyCommand({ KeyId }));
    const [finding] = await found({ kmsKey: arn }, 'grid');
    expect(finding).to.include({ status: 'fail', mend: `aws kms enable-key --key-id ${arn}` });
  });

  it("warns if grants can't be read, with the grant that may be missing", async () => {
    const { arn } = await keyWith();
    cloud.failNext('kms:GetKeyPolicy', 400, 'AccessDeniedException');
    cloud.failNext('kms:ListGrants', 400, 'AccessDeniedException');
    const [finding] = await found({ kmsKey: arn }, 'grid');
    expect(finding).to.include({ status: 'warn' });
    expect(finding?.mend).to.include('aws kms create-grant');
  });
});
