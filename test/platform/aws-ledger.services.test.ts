// Protects: workers sign in to a ledger on a server with a password in a secret, and go on when it is rotated.

import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { expect } from 'chai';
import { randomId } from '../../src/lib/id.ts';
import { openAwsLedger } from '../../src/platform/aws-ledger.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import { event } from '../contracts/ledger-events.ts';
import { openClients } from '../support/aws-clients.ts';
import { awsProfile } from '../support/aws-profile.ts';
import { Cleanup } from '../support/cleanup.ts';
import { forEachTest, forSuite } from '../support/fixture.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { failsWith } from '../support/rejection.ts';
import { FaultProxy, type SeenRequest } from '../support/servers/fault-proxy.ts';
import { startMariadb } from '../support/servers/mariadb.ts';
import { sharedMoto } from '../support/servers/moto.ts';
import { startPostgres } from '../support/servers/postgres.ts';

const isRead = ({ headers }: SeenRequest): boolean => /\.GetSecretValue$/.test(String(headers['x-amz-target']));

for (const [name, startServer] of [
  ['PostgreSQL', startPostgres],
  ['MariaDB', startMariadb],
] as const) {
  describe(`a ledger on ${name} whose password is in a secret`, () => {
    const server = forSuite(() => startServer());
    const moto = forSuite(() => sharedMoto());
    const proxy = forSuite(() => FaultProxy.start(moto.url));
    const clients = forSuite(() => openClients({ ssm: proxy.url, secretsmanager: proxy.url }));
    const id = randomId(6);
    const ledgers = forEachTest(() => new Cleanup());

    const secretOf = (password: string): string => JSON.stringify({ username: 'batchctl', password });
    const putSecret = async (password: string): Promise<void> => {
      const client = await clients.secretsManager();
      await client.send(new PutSecretValueCommand({ SecretId: `db/${id}`, SecretString: secretOf(password) }));
    };
    const changePassword = (password: string) =>
      server.admin(
        server.kind === 'postgres'
          ? `alter role batchctl password '${password}'`
          : `alter user 'batchctl'@'%' identified by '${password}'`,
      );
    const open = async (password: string): Promise<Ledger> => {
      const ledger = { kind: server.kind, url: server.url(), password };
      const profile = await awsProfile({ region: 'us-east-1', ledger });
      const store = new MemoryStore();
      return ledgers.use(
        await openAwsLedger({ profile, clients, store, writer: 'w1', shares: true, allowed: async () => undefined }),
      );
    };
    /** Makes the next statement connect anew. */
    const reconnect = () => server.cutAll();

    before(async () => {
      const [{ PutParameterCommand }, { CreateSecretCommand }] = await Promise.all([
        import('@aws-sdk/client-ssm'),
        import('@aws-sdk/client-secrets-manager'),
      ]);
      const [ssm, manager] = await Promise.all([clients.ssm(), clients.secretsManager()]);
      await ssm.send(new PutParameterCommand({ Name: `/db/${id}`, Value: server.password, Type: 'SecureString' }));
      await manager.send(new CreateSecretCommand({ Name: `db/${id}`, SecretString: secretOf(server.password) }));
    });
    afterEach(async () => {
      proxy.heal();
      await changePassword(server.password);
      await putSecret(server.password);
    });

    const reads = (): number => proxy.seen.filter(isRead).length;

    it('opens with a parameter, and with one field of a secret', async () => {
      for (const reference of [`ssm:/db/${id}`, `secretsmanager:db/${id}#password`]) {
        const ledger = await open(reference);
        await ledger.record([event('done', 1)]);
      }
    });

    it('reads the secret once, however often it connects', async () => {
      const before = reads();
      const ledger = await open(`secretsmanager:db/${id}#password`);
      for (let tries = 0; tries < 3; tries += 1) {
        await reconnect();
        await ledger.record([event('done', tries)]);
      }
      expect(reads() - before).to.equal(1);
    });

    it('reads it again when the server refuses it, and records the same events', async () => {
      const ledger = await open(`secretsmanager:db/${id}#password`);
      const before = reads();
      await changePassword('rotated');
      await putSecret('rotated');
      await reconnect();
      await ledger.record([event('done', 3)]);
      expect(reads() - before).to.equal(1);
    });

    it('waits for the secret that follows the database by some seconds, as in a rotation', async () => {
      const ledger = await open(`secretsmanager:db/${id}#password`);
      await changePassword('rotated');
      await reconnect();
      let reread = 0;
      // The secret gets the new password after the refused one was read once more.
      proxy.fail(
        Number.POSITIVE_INFINITY,
        {
          kind: 'after',
          first: async () => {
            reread += 1;
            if (reread === 2) await putSecret('rotated');
          },
        },
        isRead,
      );
      await ledger.record([event('done', 4)]);
      expect(reread).to.equal(2);
    });

    it('never shows a password that is refused', async () => {
      await changePassword('another-one');
      await putSecret('no-such-field');
      const wrong = await failsWith('config', open(`secretsmanager:db/${id}#pass`));
      expect(wrong.message).to.include('expected text in pass, found no such key').and.not.include('no-such-field');
    });
  });
}
