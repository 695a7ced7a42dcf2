// Protects: a job's history is correct on database servers: they keep the ledger contract.

import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { ledgerPlace } from '../../contracts/ledger-place.ts';
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
      const password = { from: 'a test', get: async () => server.password };
      const target = { dialect: server.kind, url: server.url(), password };
      return ledgerPlace((options) => openSqlLedger({ ...target, ...options }));
    });
  });
}
