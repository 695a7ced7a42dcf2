// Protects: infra up rejects a KMS key that Auto Scaling can't use, before any instance fails to start.
import { EC2 } from '@aws-sdk/client-ec2';
import { type GrantOperation, KMS } from '@aws-sdk/client-kms';
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
    expect(finding).to.include({ severity: 'fail' });
    expect(finding?.message).to.include("does not allow Auto Scaling's role");
    expect(finding?.fix).to.match(
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
    expect(finding).to.include({ severity: 'fail', fix: `aws kms enable-key --key-id ${arn}` });
  });

  it("warns if grants can't be read, with the grant that may be missing", async () => {
    const { arn } = await createKey();
    cloud.failNext('kms:GetKeyPolicy', 400, 'AccessDeniedException');
    cloud.failNext('kms:ListGrants', 400, 'AccessDeniedException');
    const [finding] = await findings(arn);
    expect(finding).to.include({ severity: 'warn' });
    expect(finding?.fix).to.include('aws kms create-grant');
  });

  describe("without a key of the profile, of the account's default key for volumes", () => {
    const ec2 = forSuite(() => new EC2(clientConfig(cloud)));
    const choose = (KmsKeyId: string) => ec2.modifyEbsDefaultKmsKeyId({ KmsKeyId });
    const found = async () => (await findings()).filter(({ message }) => /key/.test(message));

    it("asks KMS nothing while that is AWS's own", async () => {
      cloud.takeCalls();
      expect(await found()).to.deep.equal([]);
      const calls = cloud.takeCalls().map(({ service, action }) => `${service}:${action}`);
      expect(calls.filter((call) => call.startsWith('kms:'))).to.deep.equal([]);
      expect(calls.filter((call) => call === 'ec2:GetEbsDefaultKmsKeyId')).to.have.length(1);
    });

    it("fails if a customer's key does not allow Auto Scaling's role, and passes with a grant", async () => {
      const { arn, KeyId } = await createKey();
      await choose(KeyId);
      const [finding] = await found();
      expect(finding?.message).to.equal(
        `the key ${arn}, the account's default for volumes in us-east-1, does not allow Auto Scaling's role, so no instance would start`,
      );
      expect(finding).to.include({ severity: 'fail' });
      expect(finding?.fix).to.include(`aws kms create-grant --region us-east-1 --key-id ${arn}`);
      // A key of the profile replaces it.
      const other = await createKey();
      expect((await findings(other.arn))[0]?.message).to.include(`the key ${other.arn} does not allow`);
      const Operations: GrantOperation[] = ['Decrypt', 'GenerateDataKeyWithoutPlaintext', 'CreateGrant'];
      await kms.createGrant({ KeyId, GranteePrincipal: role(), Operations });
      expect(await found()).to.deep.equal([]);
    });

    it('says which key to look up, and the grant that it needs, where it may not look', async () => {
      const { KeyId } = await createKey();
      await choose(KeyId);
      for (const [action, status, code] of [
        ['ec2:GetEbsDefaultKmsKeyId', 403, 'UnauthorizedOperation'],
        ['kms:DescribeKey', 400, 'AccessDeniedException'],
      ] as const) {
        cloud.failNext(action, status, code);
        const [finding] = await found();
        expect(finding, action).to.include({ severity: 'warn' });
        expect(finding?.message).to.include("it can't be checked which key encrypts volumes by default");
        expect(finding?.fix)
          .to.include('aws ec2 get-ebs-default-kms-key-id --region us-east-1 prints it')
          .and.include(`--key-id KEY --grantee-principal ${role()}`);
      }
    });
  });
});
