import { expect } from 'chai';
import { doneEvents, event, readCounts } from '../../../contracts/ledger-events.ts';
import { failsWith } from '../../../support/rejection.ts';
import type { DatabaseServer } from '../../../support/servers/database-server.ts';
import { Ledgers } from './open-ledger.ts';

/** A worker's ledger when its server stops, or becomes read-only. */
export function failoverTests(server: () => DatabaseServer): void {
  describe('during a failover', () => {
    const ledgers = new Ledgers(server);
    beforeEach(() => server().empty());
    afterEach(() => ledgers.close());

    it('continues when the server stops and comes back, and counts each task once', async () => {
      const ledger = await ledgers.open({ lockWaitMs: 120_000 });
      let halted: Promise<void> | undefined;
      for (let n = 0; n < 60; n += 1) {
        const recorded = ledger.record(doneEvents(20, { bytesIn: 2, counters: { sum: '0.1' } }, n * 20));
        if (n === 20)
          halted = server()
            .halt()
            .then((start) => start());
        await recorded;
      }
      await halted;
      const counters = { sum: '120' };
      expect(await readCounts(ledger)).to.deep.include({ done: 1200, bytesIn: 2400, seconds: 1200, counters });
      expect(await ledger.tasks('claims-1', { limit: 2000 })).to.have.length(1200);
    });

    it('replaces connections that became read-only by new ones, which can write', async () => {
      const readOnly = await server().readOnlySessions();
      const ledger = await ledgers.open();
      expect(await ledger.counts('claims-1')).to.deep.equal([]);
      await readOnly.end();
      // Sessions that began before stay read-only: SELECTs work there, and every write fails.
      await ledger.record([event('done', 1)]);
      expect(await readCounts(ledger)).to.include({ done: 1 });
    });

    it('is unavailable when the server stays read-only, and writes when it no longer is', async () => {
      const ledger = await ledgers.open({ lockWaitMs: 200 });
      const readOnly = await server().readOnlySessions();
      await server().cutAll();
      const error = await failsWith('unavailable', ledger.record([event('done', 1)]));
      expect(error.message).to.match(/read.?only/i);
      await readOnly.end();
      await ledger.record([event('done', 1)]);
      expect(await readCounts(ledger)).to.include({ done: 1 });
    });

    it('does not fail when its idle connections are cut', async () => {
      const ledger = await ledgers.open();
      for (let n = 0; n < 3; n += 1) {
        await ledger.record([event('done', n)]);
        await server().cutAll();
      }
      expect(await readCounts(ledger)).to.include({ done: 3 });
    });
  });
}
