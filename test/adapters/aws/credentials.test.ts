// Protects: expiring AWS credentials are renewed in time, and expired ones are reported with the command to sign in again.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { requireLastingCredentials } from '../../../src/adapters/aws/identity.ts';
import { clientsOptions } from '../../support/aws-clients.ts';
import { Cleanup } from '../../support/cleanup.ts';
import { forEachTest } from '../../support/fixture.ts';
import { failsWith } from '../../support/rejection.ts';
import { Scratch } from '../../support/scratch.ts';

/** The command that renews the credentials of the profile acme. */
const SIGN_IN = 'aws sso login --profile acme (or get credentials in another way)';

describe('credentials that expire', () => {
  const home = forEachTest(() => new Scratch());
  const cleanup = forEachTest(() => new Cleanup());

  it('are renewed shortly before they expire, not for each request; expired ones are reported as such', async () => {
    const start = Date.now();
    const [calls, session] = [home.path('calls'), home.path('session.json')];
    const Expiration = new Date(start + 60_000).toISOString();
    const keys = { Version: 1, AccessKeyId: 'a', SecretAccessKey: 's', SessionToken: 't', Expiration };
    writeFileSync(session, JSON.stringify(keys));
    writeFileSync(home.path('config'), `[profile acme]\ncredential_process = echo >> ${calls}; cat ${session}\n`);
    cleanup.setEnv({ AWS_CONFIG_FILE: home.path('config'), AWS_SHARED_CREDENTIALS_FILE: home.path('none') });
    delete process.env.AWS_ACCESS_KEY_ID;
    const clients = cleanup.use(new AwsClients(clientsOptions({}, { profile: 'acme' })));
    for (let request = 0; request < 3; request += 1) await clients.credentials();
    expect(readFileSync(calls, 'utf8')).to.have.length(1);
    await requireLastingCredentials(clients, 30);
    cleanup.replace(Date, 'now', () => start + 40_000);
    const expiring = await failsWith('credentials', requireLastingCredentials(clients, 30));
    expect(expiring).to.include({ signIn: SIGN_IN });
    expect(readFileSync(calls, 'utf8')).to.have.length(2);
    cleanup.replace(Date, 'now', () => start + 61_000);
    rmSync(session);
    const expired = await failsWith('credentials', requireLastingCredentials(clients, 30));
    expect(expired).to.include({ signIn: SIGN_IN });
    expect(expired.message).to.include('have expired');
  });
});
