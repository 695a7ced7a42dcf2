import { expect } from 'chai';
import { isBatchctlError } from '../../../../src/errors.ts';
import { event } from '../../../contracts/ledger-events.ts';
import { rejection } from '../../../support/rejection.ts';
import type { DatabaseServer } from '../../../support/servers/database-server.ts';
import { freePort } from '../../../support/servers/program.ts';
import { type LedgerOptions, Ledgers } from './open-ledger.ts';

/** Passwords, certificates and addresses of connections, and the errors about them. */
export function connectingTests(server: () => DatabaseServer): void {
  describe('connecting', () => {
    const ledgers = new Ledgers(server);
    afterEach(() => ledgers.close());

    const openError = async (options: LedgerOptions): Promise<string> => {
      const error = await rejection(ledgers.open({ lockWaitMs: 50, ...options }));
      if (!isBatchctlError(error)) throw error;
      const text = `${error.kind}: ${error.message} ${error.hint}`;
      expect(text).not.to.contain(server().password).and.not.contain('wrong-one');
      return text;
    };

    it('names the user whose password is wrong and the source of the password, and never shows it', async () => {
      const error = await openError({ password: async () => 'wrong-one' });
      expect(error).to.match(/^credentials: .*batchctl.*the variable DB_PASSWORD/);
    });

    it('names a missing database', async () => {
      const { kind, url } = server();
      const error = await openError({ url: url().replace(/ledger$/, 'nowhere') });
      expect(error).to.match(kind === 'postgres' ? /^config: .*database nowhere/ : /^(config|credentials): .*nowhere/);
    });

    it("is encrypted if the given authority certifies the server's name", async () => {
      expect(await server().encrypted()).to.equal(false);
      const ledger = await ledgers.open({ url: server().url('localhost'), ca: server().ca });
      await ledger.record([event('done', 1)]);
      expect(await server().encrypted()).to.equal(true);
    });

    it('rejects a certificate of another authority, of one that Node does not trust, or of another name', async () => {
      const url = server().url('localhost');
      expect(await openError({ url, ca: server().otherCa })).to.match(/^config: .*localhost.*certificate.*ledger.ca/);
      expect(await openError({ url: `${url}?sslmode=verify-full` })).to.match(/^config: .*certificate/);
      expect(await openError({ ca: server().ca })).to.match(/^config: .*certificate/);
    });

    it("reports an authority's file that is missing, or contains no certificate", async () => {
      const url = server().url('localhost');
      expect(await openError({ url, ca: '/nowhere/rds.pem' })).to.match(/^config: .*\/nowhere\/rds.pem/);
      expect(await openError({ url, ca: new URL(import.meta.url).pathname })).to.match(/^config: .*no PEM certificate/);
    });

    it('is unavailable if nothing listens, and if the host has no address', async () => {
      const port = await freePort();
      const url = server().url('127.0.0.1');
      expect(await openError({ url: url.replace(/:\d+\//, `:${port}/`) })).to.match(/^unavailable: .*ECONNREFUSED/);
      const nowhere = server().url('db.invalid');
      expect(await openError({ url: `${nowhere}?sslmode=disable` })).to.match(/^unavailable: .*db.invalid/);
    });

    it('sets in a session only what the server does not set: RDS Proxy shares no connection that sets a variable', async () => {
      const { admin, kind } = server();
      if (kind !== 'mysql') return;
      const sets = async (): Promise<number> => {
        const [before] = await admin("show global status like 'Com_set_option'");
        const ledger = await ledgers.open({});
        await ledger.record([event('done', 1)]);
        const [after] = await admin("show global status like 'Com_set_option'");
        return Number(after?.Value) - Number(before?.Value);
      };
      expect(await sets()).to.equal(1);
      try {
        await admin(
          "set global sql_mode = 'NO_ENGINE_SUBSTITUTION,STRICT_TRANS_TABLES', innodb_lock_wait_timeout = 5",
          'set global transaction isolation level read committed',
        );
        expect(await sets()).to.equal(0);
      } finally {
        await admin(
          'set global sql_mode = default, innodb_lock_wait_timeout = default',
          'set global transaction isolation level repeatable read',
        );
      }
    });

    it('requests the password for each connection, because a token may have expired', async () => {
      let requests = 0;
      const password = async (): Promise<string> => {
        requests += 1;
        return server().password;
      };
      const ledger = await ledgers.open({ password });
      await server().cutAll();
      await ledger.record([event('done', 2)]);
      expect(requests).to.be.at.least(2);
    });
  });
}
