import { expect } from 'chai';
import type { AttemptEvent } from '../../src/model/ledger/records.ts';
import { event, job, readPages, T0 } from './ledger-events.ts';
import type { LedgerFixture } from './ledger-place.ts';

/** The laws of `attemptsOfJob`. */
export function ledgerAttemptsContract({ place, ledger }: LedgerFixture): void {
  const readAll = (limit: number): Promise<(readonly AttemptEvent[])[]> =>
    readPages((after) => ledger.attemptsOfJob('claims-1', { limit, ...after }));

  describe('attempts of a job', () => {
    it('come in the order of steps, tasks and ids, each once, whatever the size of a page', async () => {
      await ledger.recordJob(job());
      const tasks = Array.from({ length: 25 }, (_, n) => n);
      const idsOf = (task: number): readonly string[] => ['b', 'a', 'c'].slice(0, (task % 3) + 1);
      const events = ['audit', 'price'].flatMap((step) =>
        tasks.flatMap((task) => idsOf(task).map((attempt) => event('failedAttempt', task, { step, attempt }))),
      );
      await ledger.record(events.reverse());
      const expected = ['price', 'audit'].flatMap((step) =>
        tasks.flatMap((task) => [...idsOf(task)].sort().map((id) => `${step}/${task}.${id}`)),
      );
      for (const limit of [1, 7, 49, 1_000]) {
        const pages = await readAll(limit);
        expect(pages.flat().map((each) => `${each.step}/${each.task}.${each.attempt}`)).to.deep.equal(expected);
        expect(pages.slice(0, -1).every((page) => page.length === limit)).to.equal(true);
      }
    });

    it('merge everything that any writer recorded of them', async () => {
      const facts = { waitSeconds: 1.25, cpuSeconds: 0.5, peakMemory: 2 ** 40, bytesIn: 10, bytesOut: 0, slot: 3 };
      const done = event('done', 4, { ...facts, counters: { claims: '0.10' } });
      await ledger.record([event('running', 4, { slot: 3 })]);
      await (await place.open('w2')).record([done, event('running', 5, { startedAt: T0 + 7 })]);
      await ledger.record([event('running', 4, { slot: 3 }), done]);
      expect((await readAll(10)).flat()).to.deep.equal([done, event('running', 5, { startedAt: T0 + 7 })]);
    });

    it('are only those of this job, and none for an unknown job', async () => {
      await ledger.record([event('done', 1), event('done', 2, { job: 'claims-2' })]);
      expect((await readAll(10)).flat().map(({ task }) => task)).to.deep.equal([1]);
      expect(await ledger.attemptsOfJob('claims-3', { limit: 10 })).to.deep.equal([]);
    });

    it('continue after an attempt that no longer exists', async () => {
      await ledger.record([event('done', 1, { attempt: 'm' }), event('done', 2)]);
      const after = { step: 'price', task: 1, attempt: 'k' };
      const page = await ledger.attemptsOfJob('claims-1', { limit: 10, after });
      expect(page.map(({ task }) => task)).to.deep.equal([1, 2]);
      const behind = await ledger.attemptsOfJob('claims-1', { limit: 10, after: { ...after, attempt: 'n' } });
      expect(behind.map(({ task }) => task)).to.deep.equal([2]);
    });
  });
}
