import { expect } from 'chai';
import type { Ledger } from '../../../../src/ports/ledger.ts';
import { event, exactCounts, job, readCounts } from '../../../contracts/ledger-events.ts';
import type { DatabaseServer } from '../../../support/servers/database-server.ts';
import { Ledgers } from './open-ledger.ts';

/** Concurrent writers. SQLite has only one at a time. */
export function writersTests(server: () => DatabaseServer): void {
  describe('concurrent writers', () => {
    const ledgers = new Ledgers(server);
    beforeEach(() => server().empty());
    afterEach(() => ledgers.close());

    const writers = (count: number): Promise<Ledger[]> =>
      Promise.all(Array.from({ length: count }, (_, n) => ledgers.open({ writer: `w${n}`, lockWaitMs: 60_000 })));

    it('record 50,000 events of their own tasks without a deadlock', async () => {
      const before = await server().deadlocks();
      const both = await writers(2);
      await Promise.all(
        both.map(async (ledger, w) => {
          for (let from = 0; from < 12_500; from += 500) {
            // Each writer's tasks lie between the other's, as when both take from one queue.
            const tasks = Array.from({ length: 500 }, (_, n) => (from + n) * 2 + w);
            await ledger.record(tasks.map((task) => event('running', task)));
            await ledger.record(tasks.reverse().map((task) => event('done', task, { bytesIn: 3 })));
          }
        }),
      );
      expect(await readCounts(await ledgers.open())).to.include({ running: 0, done: 25_000, bytesIn: 75_000 });
      expect((await server().deadlocks()) - before).to.equal(0);
    });

    it('count a task once when four attempts of it end at the same moment, in any order of tasks', async () => {
      const four = await writers(4);
      const tasks = Array.from({ length: 60 }, (_, n) => n);
      for (let round = 0; round < 8; round += 1) {
        await Promise.all(
          four.map((ledger, w) => {
            const from = round * 30;
            const shuffled = tasks.map((task) => ((task * ([7, 11, 13, 17][w] ?? 1)) % 60) + from);
            return ledger.record(shuffled.map((task) => event('done', task, { attempt: `t${task}.${w}`, bytesIn: 5 })));
          }),
        );
      }
      const total = 7 * 30 + 60;
      const reader = await ledgers.open();
      expect(await readCounts(reader)).to.include({ done: total, bytesIn: total * 5, seconds: total });
      const found = await reader.tasks('claims-1', { limit: 1000 });
      expect(found.filter(({ attempts }) => attempts !== 4)).to.deep.equal([]);
    });

    it("don't change exact totals that are recorded meanwhile", async () => {
      const three = await writers(3);
      const closer = await ledgers.open({ writer: 'closer', lockWaitMs: 60_000 });
      for (let n = 0; n < 12; n += 1) {
        const id = `claims-${n}`;
        const recorded = three.map(async (ledger, w) => {
          const tasks = Array.from({ length: 300 }, (_, at) => w * 300 + at);
          for (const outcome of ['running', 'done'] as const) {
            await ledger.record(tasks.map((task) => event(outcome, task, { job: id })));
          }
        });
        await Promise.race(recorded.map((_, w) => three[w]?.counts(id)));
        await closer.recordExact(id, 0, [exactCounts({ done: 900, bytesIn: 1, seconds: 1 })]);
        await Promise.all(recorded);
        expect(await readCounts(closer, id)).to.include({ done: 900, bytesIn: 1, running: 0, exact: true });
      }
    });

    it('do not bring back a job that was forgotten in between', async () => {
      const three = await writers(3);
      await three[0]?.recordJob(job());
      let forgotten = false;
      const recording = three.map(async (ledger, w) => {
        for (let n = 0; !forgotten; n += 1) await ledger.record([event('done', n * 3 + w)]);
      });
      const closer = await ledgers.open({ writer: 'closer', lockWaitMs: 60_000 });
      await closer.forget('claims-1');
      forgotten = true;
      await Promise.all(recording);
      expect(await closer.tasks('claims-1', { limit: 10 })).to.deep.equal([]);
      const none = server().kind === 'mysql' ? 0 : '0';
      expect(await server().tables('select count(*) as n from attempts')).to.deep.equal([{ n: none }]);
    });

    it('of the same name in two processes lose no count', async () => {
      const twins = await Promise.all([ledgers.open({ writer: 'ann' }), ledgers.open({ writer: 'ann' })]);
      await Promise.all(
        twins.map(async (ledger, w) => {
          for (let n = 0; n < 25; n += 1) await ledger.record([event('done', n * 2 + w, { counters: { sum: '0.1' } })]);
        }),
      );
      expect(await readCounts(await ledgers.open())).to.deep.include({ done: 50, counters: { sum: '5' } });
    });

    it('keep text of any script, with NULs, and longer than 64 KiB', async () => {
      const ledger = await ledgers.open();
      const error = `Größe ${String.fromCodePoint(0x1f4a5)} it's "\\n" a\0b ?`;
      await ledger.record([event('failed', 1, { error, counters: { 'sum \\ \' "': '1' } })]);
      const [found] = await ledger.attempts('claims-1', 'price', 1);
      expect(found?.error?.replace('\u{fffd}', '\0')).to.equal(error);
      expect(found?.counters).to.deep.equal({ 'sum \\ \' "': '1' });
      const steps = Array.from({ length: 2000 }, (_, n) => ({ name: `step-${n}`, group: 'default', total: 1_000_000 }));
      await ledger.recordJob(job({ steps }));
      expect(await ledger.job('claims-1')).to.deep.equal(job({ steps }));
    });
  });
}
