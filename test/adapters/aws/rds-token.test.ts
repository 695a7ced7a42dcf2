// Protects: workers can sign in to an RDS database with IAM tokens, and missing credentials are explained.

import { expect } from 'chai';
import { rdsTokens } from '../../../src/adapters/aws/rds-token.ts';
import { isKind } from '../../../src/errors.ts';

const USER = { host: 'ledger.abc.eu-west-1.rds.amazonaws.com', port: 5432, user: 'batchctl' };

describe('tokens for a database', () => {
  it('are signed for the endpoint and the user, and are valid for 15 minutes', async () => {
    const credentials = async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' });
    const token = await rdsTokens({ region: 'eu-west-1', credentials, profile: null })(USER);
    const url = new URL(`https://${token}`);
    expect(url.host).to.equal('ledger.abc.eu-west-1.rds.amazonaws.com:5432');
    expect(Object.fromEntries(url.searchParams)).to.include({
      ...{ Action: 'connect', DBUser: 'batchctl', 'X-Amz-Expires': '900' },
    });
    expect(url.searchParams.get('X-Amz-Credential')).to.match(/^AKIDEXAMPLE\/\d{8}\/eu-west-1\/rds-db\/aws4_request$/);
    expect(token).not.to.contain('secret');
  });

  it('are reused for some minutes, separately for each user', async () => {
    let asked = 0;
    let now = 0;
    const credentials = async () => {
      asked += 1;
      return { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
    };
    const token = rdsTokens({ region: 'eu-west-1', credentials, profile: null, now: () => now });
    const first = await token(USER);
    const once = asked;
    now += 299_000;
    expect(await token(USER)).to.equal(first);
    expect(asked).to.equal(once);
    await token({ ...USER, user: 'other' });
    expect(asked).to.be.greaterThan(once);
    const twice = asked;
    now += 2_000;
    await token(USER);
    expect(asked).to.be.greaterThan(twice);
  });

  it('say what to do if there are no credentials', async () => {
    const credentials = async () => {
      throw Object.assign(new Error('Could not load credentials'), { name: 'CredentialsProviderError' });
    };
    const token = rdsTokens({ region: 'eu-west-1', credentials, profile: 'prod' });
    const error = await token(USER).catch((thrown: unknown) => thrown);
    expect(isKind(error, 'credentials')).to.equal(true);
    expect(String(error)).to.contain('batchctl@ledger.abc');
  });
});
