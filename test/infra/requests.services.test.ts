// Protects: every configuration that the schema accepts leads to requests that AWS's models accept (checked by run/aws-requests.mjs).
import { expect } from 'chai';
import { AwsClients } from '../../src/adapters/aws/clients.ts';
import { useTestKeys } from '../support/aws-keys.ts';
import { awsProfile, sampleFields } from '../support/aws-profile.ts';
import { forSuite } from '../support/fixture.ts';
import { accountClients, createPolicy, endpointsOf } from '../support/grid/account-clients.ts';
import { startCloud } from '../support/grid/cloud.ts';
import { down, stackResources, up } from './grid-lab.ts';

const CONFIGURATIONS = 4;
const SEED = Number(process.env.BATCHCTL_TEST_SEED ?? Date.now() % 1_000_000);

describe('the requests of infra', () => {
  const cloud = forSuite(() => startCloud());
  const others = forSuite(() => accountClients(cloud));
  before(async () => {
    useTestKeys();
    await createPolicy(others, 'boundary');
  });

  it(`are accepted by AWS's models for any configuration (seed ${SEED})`, async () => {
    const { account } = cloud;
    const endpoints = endpointsOf(cloud);
    const samples = sampleFields(CONFIGURATIONS, SEED, { region: 'us-east-1', account, bucket: `b-${SEED}` });
    for (const fields of samples) {
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
