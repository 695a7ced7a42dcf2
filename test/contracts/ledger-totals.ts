import { expect } from 'chai';
import type { ExactCounts } from '../../src/model/ledger/records.ts';
import { failsWith } from '../support/rejection.ts';
import { event, exactCounts, job, readCounts, T0 } from './ledger-events.ts';
import type { LedgerFixture } from './ledger-place.ts';

/** The laws of a step's counts. */
export function ledgerTotalsContract({ place, ledger, clock }: LedgerFixture): void {
  describe('totals', () => {
    it('adds bytes, durations and counters of the successful attempts only, each once', async () => {
      const other = await place.open('w2', clock);
      const totals = { bytesIn: 10, bytesOut: 3, counters: { claims: '2' } };
      await ledger.record([
        event('failedAttempt', 1, { attempt: 'a', ...totals }),
        event('done', 1, { attempt: 'b', ...totals }),
      ]);
      await other.record([
        event('done', 1, { attempt: 'b', ...totals }),
        event('done', 2, { ...totals, endedAt: T0 + 500 }),
      ]);
      await ledger.record([event('interrupted', 2, { attempt: 'c', ...totals })]);
      expect(await readCounts(ledger)).to.deep.include({
        done: 2,
        bytesIn: 20,
        bytesOut: 6,
        seconds: 1.5,
        counters: { claims: '4' },
      });
    });

    it('adds decimals exactly, however large or small', async () => {
      const other = await place.open('w2');
      await ledger.record([event('done', 1, { counters: { sum: '0.1', big: '1e30' } })]);
      await ledger.record([event('done', 2, { counters: { sum: '0.2', big: '0.01' } })]);
      await other.record([event('done', 3, { counters: { sum: '-0.3', big: '1' } })]);
      await other.record([event('done', 4, { counters: { sum: '123456789012345678901234567890.12' } })]);
      expect((await readCounts(ledger))?.counters).to.deep.equal({
        sum: '123456789012345678901234567890.12',
        big: '1000000000000000000000000000001.01',
      });
    });

    it("refuses a counter that isn't a decimal, and then records nothing of the flush", async () => {
      const flush = [event('done', 1), event('done', 2, { counters: { sum: 'many' } })];
      await failsWith('refused', ledger.record(flush));
      expect(await ledger.counts('claims-1')).to.deep.equal([]);
    });

    it('counts an attempt once that one flush reports twice', async () => {
      const failed = (more: object = {}) => event('failedAttempt', 1, { attempt: 'a', ...more });
      await ledger.record([event('running', 1, { attempt: 'a' }), failed(), failed({ error: 'no rate' })]);
      await ledger.record([event('interrupted', 2), event('interrupted', 2, { error: 'spot' })]);
      expect(await readCounts(ledger)).to.include({ running: 0, retried: 1, interrupted: 1 });
    });

    it('adds facts that only the second report of the same end has', async () => {
      await ledger.record([event('done', 1)]);
      await ledger.record([event('done', 1, { bytesOut: 7, counters: { claims: '1' } })]);
      expect(await readCounts(ledger)).to.deep.include({ done: 1, bytesOut: 7, counters: { claims: '1' } });
    });

    it('shows every step of the job in order, at zero before anything happens', async () => {
      await ledger.recordJob(job());
      await ledger.record([event('done', 1, { step: 'audit' }), event('done', 1, { step: 'extra' })]);
      const counts = await ledger.counts('claims-1');
      expect(counts.map((each) => [each.step, each.done, each.movedAt === null])).to.deep.equal([
        ['price', 0, true],
        ['audit', 1, false],
        ['extra', 1, false],
      ]);
    });

    it('changes with new events, and not with known ones', async () => {
      await ledger.record([event('done', 1)]);
      clock.pass(5);
      await ledger.record([event('done', 1), event('running', 1)]);
      expect((await readCounts(ledger))?.movedAt).to.equal(T0);
      await ledger.record([event('done', 2)]);
      expect((await readCounts(ledger))?.movedAt).to.equal(T0 + 5000);
      clock.pass(5);
      const other = await place.open('w2', clock);
      await other.record([event('done', 3, { worker: 'w2' })]);
      expect((await readCounts(ledger))?.movedAt, 'by whichever writer was last').to.equal(T0 + 10_000);
    });

    it('knows nothing about another job', async () => {
      await ledger.record([event('done', 1)]);
      expect(await ledger.counts('claims-2')).to.deep.equal([]);
    });
  });

  describe('exact totals', () => {
    const totals = { done: 8, failed: 2, bytesIn: 80, bytesOut: 40, seconds: 9.5, counters: { claims: '12.5' } };
    const exact = (more: Partial<ExactCounts> = {}): ExactCounts => exactCounts({ ...totals, ...more });

    it('are not reported before they are recorded', async () => {
      await ledger.record([event('done', 1)]);
      expect((await readCounts(ledger))?.exact).to.equal(false);
    });

    it('replace the counted totals, and late events of the round no longer change them', async () => {
      const other = await place.open('w2', clock);
      await ledger.record([event('running', 1), event('failedAttempt', 3, { counters: { claims: '1' } })]);
      await other.record([event('done', 2, { bytesIn: 1, counters: { claims: '1' } })]);
      await ledger.recordExact('claims-1', 0, [exact()]);
      const expected = { ...exact(), running: 0, retried: 1, interrupted: 0, exact: true };
      expect(await readCounts(ledger)).to.deep.include(expected);
      await other.record([event('done', 1), event('done', 7, { counters: { claims: '5' } }), event('interrupted', 8)]);
      expect(await readCounts(ledger)).to.deep.include(expected);
      await ledger.recordExact('claims-1', 0, [exact()]);
      expect(await readCounts(ledger)).to.deep.include(expected);
    });

    it('are no news: the step moved when its last task ended', async () => {
      await ledger.record([event('done', 1)]);
      clock.pass(5);
      await ledger.recordExact('claims-1', 0, [exact()]);
      expect((await readCounts(ledger))?.movedAt).to.equal(T0);
    });

    it('end with a newer round, whose changes count from there', async () => {
      await ledger.record([event('failed', 1), event('running', 2)]);
      await ledger.recordExact('claims-1', 0, [exact()]);
      await ledger.record([
        event('running', 1, { attempt: 'a', round: 1 }),
        event('running', 2, { attempt: 'b', round: 1 }),
      ]);
      expect(await readCounts(ledger)).to.include({ running: 2, done: 8, failed: 1, exact: false });
      await ledger.record([event('done', 1, { attempt: 'a', round: 1, bytesIn: 5, counters: { claims: '0.5' } })]);
      expect(await readCounts(ledger)).to.deep.include({
        running: 1,
        done: 9,
        failed: 1,
        bytesIn: 85,
        counters: { claims: '13' },
      });
      await ledger.recordExact('claims-1', 1, [exact({ done: 10, failed: 0 })]);
      expect(await readCounts(ledger)).to.include({ running: 0, done: 10, failed: 0, exact: true });
    });

    it('are not replaced by older ones', async () => {
      await ledger.recordExact('claims-1', 1, [exact()]);
      await ledger.recordExact('claims-1', 0, [exact({ done: 3 })]);
      await ledger.recordExact('claims-1', 1, [exact({ done: 7 })]);
      expect(await readCounts(ledger)).to.deep.include({ ...exact(), exact: true });
      await ledger.record([event('running', 1, { round: 2 })]);
      await ledger.recordExact('claims-1', 1, [exact({ done: 9 })]);
      expect(await readCounts(ledger)).to.include({ running: 1, done: 8, exact: false });
    });

    it('of an older round are ignored after a newer one began, whatever late events of the older one came since', async () => {
      await ledger.record([event('running', 1, { attempt: 'a', round: 1 })]);
      await ledger.record([event('failed', 2, { attempt: 'late', round: 0 })]);
      await ledger.recordExact('claims-1', 0, [exact()]);
      expect(await readCounts(ledger)).to.include({ running: 1, done: 0, failed: 1, exact: false });
    });

    it('of one round are replaced if more is done: a permanently failed task may be published late', async () => {
      await ledger.recordExact('claims-1', 1, [exact({ done: 7, failed: 4 })]);
      await ledger.recordExact('claims-1', 1, [exact({ done: 9, failed: 1 })]);
      expect(await readCounts(ledger)).to.include({ done: 9, failed: 1, exact: true });
      await ledger.recordExact('claims-1', 1, [exact({ done: 8, failed: 3 })]);
      expect(await readCounts(ledger)).to.include({ done: 9, failed: 1, exact: true });
    });

    it('of one round and with equal counts are the ones recorded last, by whichever writer', async () => {
      const other = await place.open('w2', clock);
      await ledger.record([event('done', 1)]);
      for (let n = 1; n <= 8; n += 1) {
        const sums = { bytesIn: 80 + n, bytesOut: 40 + n, seconds: n, counters: { claims: `${n}.5` } };
        await (n % 2 === 0 ? ledger : other).recordExact('claims-1', 1, [exact(sums)]);
        for (const each of [ledger, other]) {
          expect(await readCounts(each)).to.deep.include({ ...exact(sums), exact: true });
        }
      }
      await other.recordExact('claims-1', 1, [exact({ done: 7, bytesIn: 1 })]);
      await ledger.recordExact('claims-1', 0, [exact({ bytesIn: 1 })]);
      expect(await readCounts(other), 'fewer tasks or an older round are older').to.include({ done: 8, bytesIn: 88 });
    });

    it('of one step are replaced without those of another', async () => {
      const other = await place.open('w2', clock);
      const audit = (more: Partial<ExactCounts> = {}) => exact({ step: 'audit', ...more });
      await ledger.recordExact('claims-1', 0, [exact(), audit()]);
      for (let n = 1; n <= 4; n += 1) await other.recordExact('claims-1', 0, [audit({ bytesIn: n })]);
      await ledger.recordExact('claims-1', 0, [exact({ bytesIn: 5 })]);
      const counts = await other.counts('claims-1');
      const bytes = counts.map(({ step, bytesIn }) => [step, bytesIn]).sort();
      expect(bytes).to.deep.equal([
        ['audit', 4],
        ['price', 5],
      ]);
    });
  });
}
