// Protects: expiring AWS credentials are renewed in time, and expired ones are reported with the command to sign in again.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AwsClients } from '../../../src/adapters/aws/clients.ts';
import { requireLastingCredentials } from '../../../src/adapters/aws/identity.ts';
import { rejection } from '../../support/rejection.ts';

/** The command that renews the credentials of the profile acme. */
const SIGN_IN = 'aws sso login --profile acme (or get credentials in another way)';

describe('credentials that expire', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  it('are renewed shortly before they expire, not for each request; expired ones are reported as such', async () => {
    const home = mkdtempSync(join(tmpdir(), 'batchctl-home-'));
    closing.push(() => rmSync(home, { recursive: true, force: true }));
    const kept = { ...process.env };
    const { now } = Date;
    closing.push(() => {
      process.env = kept;
      Date.now = now;
    });
    const [looks, session] = [join(home, 'looks'), join(home, 'session.json')];
    writeFileSync(
      session,
      JSON.stringify({
        ...{ Version: 1, AccessKeyId: 'a', SecretAccessKey: 's', SessionToken: 't' },
        Expiration: new Date(Date.now() + 60_000).toISOString(),
      }),
    );
    writeFileSync(join(home, 'config'), `[profile acme]\ncredential_process = echo >> ${looks}; cat ${session}\n`);
    process.env = { ...kept, AWS_CONFIG_FILE: join(home, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(home, 'none') };
    delete process.env.AWS_ACCESS_KEY_ID;
    const of = new AwsClients({ region: 'us-east-1', profile: 'acme', account: null, endpoints: {} });
    closing.push(() => of.close());
    for (let request = 0; request < 3; request += 1) await of.credentials();
    expect(readFileSync(looks, 'utf8')).to.have.length(1);
    await requireLastingCredentials(of, 30);
    Date.now = () => now() + 40_000;
    const nearing = await rejection(requireLastingCredentials(of, 30));
    expect(nearing).to.include({ kind: 'credentials', signIn: SIGN_IN });
    expect(readFileSync(looks, 'utf8')).to.have.length(2);
    Date.now = () => now() + 61_000;
    rmSync(session);
    const over = await rejection(requireLastingCredentials(of, 30));
    expect(over).to.include({ kind: 'credentials', signIn: SIGN_IN });
    expect(over.message).to.include('have expired');
  });
});
