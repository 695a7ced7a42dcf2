// Protects: a job's history is correct on database servers: they keep the ledger contract.

import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { forSuite } from '../../support/fixture.ts';
import { startMariadb } from '../../support/servers/mariadb.ts';
import { startPostgres } from '../../support/servers/postgres.ts';
import { connectingTests } from './servers/connecting.ts';
import { failoverTests } from './servers/failover.ts';
import { migrationTests } from './servers/migrations.ts';
import { writersTests } from './servers/writers.ts';

for (const [name, startServer] of [
  ['PostgreSQL', startPostgres],
  ['MariaDB', startMariadb],
] as const) {
  describe(`a SQL ledger on ${name}`, () => {
    const server = forSuite(() => startServer());

    migrationTests(() => server);
    connectingTests(() => server);
    failoverTests(() => server);
    writersTests(() => server);
    ledgerContract(name, async () => {
      await server.empty();
      const opened: Ledger[] = [];
      const password = { from: 'a test', get: async () => server.password };
      return {
        open: async (writer, clock) => {
          const options = { dialect: server.kind, url: server.url(), password, writer };
          const ledger = openSqlLedger({ ...options, ...(clock && { clock }) });
          await ledger.open();
          opened.push(ledger);
          return ledger;
        },
        end: async () => {
          await Promise.all(opened.map((ledger) => ledger.close()));
        },
      };
    });
  });
}
