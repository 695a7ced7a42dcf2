import { expect } from 'chai';
import { event, job, readCounts, worker } from '../../../contracts/ledger-events.ts';
import { failsWith } from '../../../support/rejection.ts';
import { type DatabaseServer, TABLES } from '../../../support/servers/database-server.ts';
import { Ledgers } from './open-ledger.ts';

/** How the tables are created and upgraded. */
export function migrationTests(server: () => DatabaseServer): void {
  describe('its tables', () => {
    const ledgers = new Ledgers(server);
    const drop = (...tables: readonly string[]) =>
      server().tables(...tables.map((table) => `drop table if exists ${table}`));
    beforeEach(() => drop(...TABLES, 'ledger_schema'));
    afterEach(() => ledgers.close());

    it('are created once by six processes at once, and none of their records is lost', async () => {
      const opened = Array.from({ length: 6 }, (_, n) => ledgers.create({ writer: `w${n}` }));
      await Promise.all(
        opened.map(async (ledger, n) => {
          await ledger.open();
          await ledger.record([event('done', n)]);
        }),
      );
      expect(await readCounts(await ledgers.open())).to.include({ done: 6 });
      const versions = await server().tables('select version from ledger_schema order by version');
      expect(versions.map(({ version }) => version)).to.deep.equal([1, 2, 3]);
    });

    it('are completed after a migration that was killed halfway', async () => {
      await (await ledgers.open()).record([event('done', 1)]);
      const noColumn = 'alter table workers drop column disk';
      const noIndex = server().kind === 'mysql' ? 'drop index tasks_by_state on tasks' : 'drop index tasks_by_state';
      // A server with transactional definitions leaves nothing half done: everything or nothing.
      if (server().kind === 'postgres') await drop(...TABLES);
      else await server().tables(noColumn, noIndex, 'drop table job_labels');
      await server().tables('delete from ledger_schema');
      const ledger = await ledgers.open();
      await ledger.recordJob(job({ labels: { team: 'finance' } }));
      await ledger.heartbeat(worker({ disk: 5 }));
      expect(await ledger.workers({})).to.deep.equal([worker({ disk: 5 })]);
      expect((await readCounts(ledger))?.done).to.equal(server().kind === 'postgres' ? 0 : 1);
    });

    it('may be newer than the code, if they say that it still works with them, and keep their new columns', async () => {
      const older = await ledgers.open();
      await server().tables(
        'alter table workers add column mood varchar(20)',
        'insert into ledger_schema (version, compatible, applied_at) values (7, 1, 0)',
      );
      await older.heartbeat(worker());
      await server().tables("update workers set mood = 'good'");
      await older.heartbeat(worker({ seenAt: worker().seenAt + 1 }));
      await (await ledgers.open()).heartbeat(worker({ seenAt: worker().seenAt + 2 }));
      expect(await server().tables('select mood from workers')).to.deep.equal([{ mood: 'good' }]);
      await server().tables('update ledger_schema set compatible = 5 where version = 7');
      await failsWith('newer', ledgers.open());
    });

    it('need no permission to create tables once they are up to date', async () => {
      await ledgers.open();
      await server().asReader(async (url) => {
        const ledger = await ledgers.open({ url });
        expect(await ledger.counts('claims-1')).to.deep.equal([]);
        const error = await failsWith('credentials', ledger.record([event('done', 1)]));
        expect(`${error.message} ${error.hint}`).to.contain('grant reader select, insert, update and delete');
      });
    });
  });
}
