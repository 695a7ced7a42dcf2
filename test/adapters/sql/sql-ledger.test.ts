// Protects: a job's history is correct on SQLite: it keeps the ledger contract.

import { expect } from 'chai';
import { openSqlLedger } from '../../../src/adapters/sql/sql-ledger.ts';
import { ledgerContract } from '../../contracts/ledger.ts';
import { doneEvents, event } from '../../contracts/ledger-events.ts';
import { ledgerPlace } from '../../contracts/ledger-place.ts';
import { forEachTest } from '../../support/fixture.ts';
import { Scratch } from '../../support/scratch.ts';

async function openPlace() {
  const scratch = new Scratch();
  const file = scratch.path('sub', 'ledger.db');
  return ledgerPlace(
    (options) => openSqlLedger({ dialect: 'sqlite', file, durability: 'process', ...options }),
    () => scratch.remove(),
  );
}

ledgerContract('SQLite', openPlace);

describe('forgetting a large job on SQLite', () => {
  const place = forEachTest(openPlace);

  it('deletes all its tasks and attempts, thousands per transaction, and nothing of another job', async () => {
    const ledger = await place.open('w1');
    for (const step of ['price', 'audit']) await ledger.record(doneEvents(5_050, { step }));
    await ledger.record([event('done', 3, { job: 'claims-2' })]);
    await ledger.forget('claims-1');
    expect(await ledger.tasks('claims-1', { limit: 9 })).to.deep.equal([]);
    expect(await ledger.attemptsOfJob('claims-1', { limit: 9 })).to.deep.equal([]);
    expect(await ledger.tasks('claims-2', { limit: 9 })).to.have.length(1);
  });
});
