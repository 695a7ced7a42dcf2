// Protects: every configuration that the schema accepts leads to requests that AWS's models accept (checked by run/aws-requests.mjs).
import { CreatePolicyCommand, IAMClient } from '@aws-sdk/client-iam';
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { ENDPOINTS } from '../../src/config/profile.ts';
import { signWithAnyKeys } from '../support/aws-keys.ts';
import { awsProfile, sampleFields } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { down, stackResources, up } from '../support/grid/emulated-account.ts';

const CONFIGURATIONS = 4;
const SEED = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);

describe('the requests of infra', () => {
  const cloud = forSuite(startCloud);
  before(async () => {
    signWithAnyKeys();
    const iam = new IAMClient({ region: 'us-east-1', endpoint: cloud.url });
    const PolicyDocument = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}';
    await iam.send(new CreatePolicyCommand({ PolicyName: 'boundary', PolicyDocument }));
    iam.destroy();
  });

  it(`are accepted by AWS's models for any configuration (seed ${SEED})`, async () => {
    const { account } = cloud;
    const samples = sampleFields(CONFIGURATIONS, SEED, { region: 'us-east-1', account, bucket: `b-${SEED}` });
    for (const fields of samples) {
      const endpoints = Object.fromEntries(ENDPOINTS.map((service) => [service, cloud.url]));
      const profile = await awsProfile({ ...fields, endpoints });
      const clients = new AwsClients({ region: profile.region, endpoints, profile: null, account });
      const resources = stackResources(profile, clients);
      try {
        expect((await up(resources)).length, JSON.stringify(fields)).to.be.at.least(8);
        await down(resources);
      } finally {
        await clients.close();
      }
    }
  });
});
