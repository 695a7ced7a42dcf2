// Protects: workers can sign in to an RDS database with IAM tokens, and missing credentials are explained.

import { expect } from 'chai';
import { rdsTokens } from '../../../src/adapters/aws/rds-token.ts';
import { failsWith } from '../../support/rejection.ts';

const USER = { host: 'ledger.abc.eu-west-1.rds.amazonaws.com', port: 5432, user: 'batchctl' };

describe('tokens for a database', () => {
  it('are signed for the endpoint and the user, and are valid for 15 minutes', async () => {
    const credentials = async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' });
    const token = await rdsTokens({ region: 'eu-west-1', credentials, profile: null })(USER);
    const url = new URL(`https://${token}`);
    expect(url.host).to.equal('ledger.abc.eu-west-1.rds.amazonaws.com:5432');
    const parameters = { Action: 'connect', DBUser: 'batchctl', 'X-Amz-Expires': '900' };
    expect(Object.fromEntries(url.searchParams)).to.include(parameters);
    expect(url.searchParams.get('X-Amz-Credential')).to.match(/^AKIDEXAMPLE\/\d{8}\/eu-west-1\/rds-db\/aws4_request$/);
    expect(token).not.to.contain('secret');
  });

  it('are reused for some minutes, separately for each user', async () => {
    let calls = 0;
    let now = 0;
    const credentials = async () => {
      calls += 1;
      return { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
    };
    const token = rdsTokens({ region: 'eu-west-1', credentials, profile: null, now: () => now });
    const first = await token(USER);
    const afterFirst = calls;
    now += 299_000;
    expect(await token(USER)).to.equal(first);
    expect(calls).to.equal(afterFirst);
    await token({ ...USER, user: 'other' });
    expect(calls).to.be.greaterThan(afterFirst);
    const afterOther = calls;
    now += 2_000;
    await token(USER);
    expect(calls).to.be.greaterThan(afterOther);
  });

  it('say what to do if there are no credentials', async () => {
    const credentials = async () => {
      throw Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
    };
    const token = rdsTokens({ region: 'eu-west-1', credentials, profile: 'prod' });
    const error = await failsWith('credentials', token(USER));
    expect(error.message).to.contain('batchctl@ledger.abc');
  });
});
