import { expect } from 'chai';
import type { AttemptEvent, AttemptPage, Ledger } from '../../src/ports/ledger.ts';
import { forEachTest } from '../support/fixture.ts';
import { event, job, type LedgerPlace, T0 } from './ledger-events.ts';

/** The laws of `attemptsOfJob`. */
export function ledgerAttemptsContract(place: () => Promise<LedgerPlace>): void {
  const at = forEachTest(place);
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = await at.open('w1');
  });

  const read = async (limit: number): Promise<readonly AttemptEvent[][]> => {
    const pages: AttemptEvent[][] = [];
    for (let after: AttemptPage['after']; ; ) {
      const page = await ledger.attemptsOfJob('claims-1', { limit, ...(after !== undefined && { after }) });
      pages.push([...page]);
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return pages;
      after = { step: last.step, task: last.task, attempt: last.attempt };
    }
  };

  describe('attempts of a job', () => {
    it('come in the order of steps, tasks and ids, each once, whatever the size of a page', async () => {
      await ledger.recordJob(job());
      const events = ['audit', 'price'].flatMap((step) =>
        Array.from({ length: 25 }, (_, n) =>
          ['b', 'a', 'c'].slice(0, (n % 3) + 1).map((id) => ({ step, n, id })),
        ).flat(),
      );
      await ledger.record(events.map(({ step, n, id }) => event('failedAttempt', n, { step, attempt: id })).reverse());
      const expected = ['price', 'audit'].flatMap((step) =>
        Array.from({ length: 25 }, (_, n) =>
          ['b', 'a', 'c']
            .slice(0, (n % 3) + 1)
            .sort()
            .map((id) => `${step}/${n}.${id}`),
        ).flat(),
      );
      for (const limit of [1, 7, 49, 1_000]) {
        const pages = await read(limit);
        expect(pages.flat().map((each) => `${each.step}/${each.task}.${each.attempt}`)).to.deep.equal(expected);
        expect(pages.slice(0, -1).every((page) => page.length === limit)).to.equal(true);
      }
    });

    it('merge everything that any writer recorded of them', async () => {
      const facts = { waitSeconds: 1.25, cpuSeconds: 0.5, peakMemory: 2 ** 40, bytesIn: 10, bytesOut: 0, slot: 3 };
      const done = event('done', 4, { ...facts, counters: { claims: '0.10' } });
      await ledger.record([event('running', 4, { slot: 3 })]);
      await (await at.open('w2')).record([done, event('running', 5, { startedAt: T0 + 7 })]);
      await ledger.record([event('running', 4, { slot: 3 }), done]);
      expect((await read(10)).flat()).to.deep.equal([done, event('running', 5, { startedAt: T0 + 7 })]);
    });

    it('are only those of this job, and none for an unknown job', async () => {
      await ledger.record([event('done', 1), event('done', 2, { job: 'claims-2' })]);
      expect((await read(10)).flat().map(({ task }) => task)).to.deep.equal([1]);
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
