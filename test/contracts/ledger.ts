import { expect } from 'chai';
import type { LedgerTask } from '../../src/model/ledger/records.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { ledgerAttemptsContract } from './ledger-attempts.ts';
import { doneEvents, event, readCounts, readPages, T0, worker } from './ledger-events.ts';
import { ledgerJobsContract } from './ledger-jobs.ts';
import { ledgerModelContract } from './ledger-model.ts';
import type { LedgerFixture, LedgerPlace } from './ledger-place.ts';
import { ledgerTotalsContract } from './ledger-totals.ts';

/**
 * The laws of `src/ports/ledger.ts`, for any adapter. `createPlace` creates a new, empty ledger for each test. `histories` is
 * the number of histories that are compared with the model: fewer if another adapter with the same code above its
 * storage compares all.
 */
export function ledgerContract(name: string, createPlace: () => Promise<LedgerPlace>, histories = 150): void {
  describe(`the ledger's laws, on ${name}`, () => {
    const place = forEachTest(createPlace);
    const clock = forEachTest(() => new FakeClock(T0));
    const ledger = forEachTest(() => place.open('w1', clock));
    const fixture = { place, ledger, clock };
    tasksContract(fixture);
    ledgerAttemptsContract(fixture);
    ledgerTotalsContract(fixture);
    ledgerJobsContract(fixture);
    ledgerModelContract(createPlace, histories);
  });
}

function tasksContract({ place, ledger }: LedgerFixture): void {
  const task = async (n: number): Promise<LedgerTask | undefined> =>
    (await ledger.tasks('claims-1', { limit: 1, after: { step: 'price', task: n - 1 } })).find(
      (each) => each.task === n,
    );

  describe('tasks', () => {
    it('can be opened again and by a second writer, and shows both the same', async () => {
      await ledger.open();
      const other = await place.open('w2');
      await ledger.record([event('done', 1)]);
      expect(await other.counts('claims-1')).to.deep.equal(await ledger.counts('claims-1'));
      expect(await other.tasks('claims-1', { limit: 5 })).to.have.length(1);
    });

    it('counts a task that runs, then ends, in one place at a time', async () => {
      await ledger.record([event('running', 1), event('running', 2)]);
      expect(await readCounts(ledger)).to.include({ running: 2, done: 0, failed: 0 });
      await ledger.record([event('done', 1), event('failed', 2)]);
      expect(await readCounts(ledger)).to.include({ running: 0, done: 1, failed: 1 });
    });

    it('accepts start and end of an attempt in one flush, in either order', async () => {
      await ledger.record([event('running', 1), event('done', 1), event('done', 2), event('running', 2)]);
      expect(await readCounts(ledger)).to.include({ running: 0, done: 2 });
      expect((await task(2))?.state).to.equal('done');
    });

    it('changes nothing when the same events come again, in another flush or from another writer', async () => {
      const events = [
        event('running', 1),
        event('done', 1, { bytesIn: 5 }),
        event('failedAttempt', 2),
        event('interrupted', 3),
      ];
      await ledger.record(events);
      const [before, tasks] = [await ledger.counts('claims-1'), await ledger.tasks('claims-1', { limit: 9 })];
      await ledger.record(events);
      await (await place.open('w2')).record([...events].reverse());
      expect(await ledger.counts('claims-1')).to.deep.equal(before);
      expect(await ledger.tasks('claims-1', { limit: 9 })).to.deep.equal(tasks);
    });

    it('changes nothing when more events come again than a database looks up at once', async () => {
      await ledger.record(doneEvents(1_100, { bytesIn: 2 }));
      await ledger.record(doneEvents(1_100, { bytesIn: 2 }));
      expect(await readCounts(ledger)).to.include({ done: 1_100, bytesIn: 2_200 });
    });

    it('ignores a late start of an attempt that ended', async () => {
      await ledger.record([event('failedAttempt', 1), event('done', 2)]);
      await ledger.record([event('running', 1), event('running', 2)]);
      expect(await readCounts(ledger)).to.include({ running: 0, retried: 1, done: 1 });
      expect((await task(1))?.state).to.equal('waiting');
    });

    it('makes a task wait again when its attempt failed or was interrupted, and counts both separately', async () => {
      await ledger.record([event('running', 1), event('running', 2)]);
      await ledger.record([
        event('failedAttempt', 1, { exitCode: 3, reason: 'exit', error: 'no rate' }),
        event('interrupted', 2),
      ]);
      expect(await readCounts(ledger)).to.include({ running: 0, failed: 0, retried: 1, interrupted: 1 });
      expect(await task(1)).to.include({
        state: 'waiting',
        attempts: 1,
        exitCode: 3,
        reason: 'exit',
        error: 'no rate',
      });
    });

    it('keeps a task done, whatever fails or runs afterwards', async () => {
      await ledger.record([event('done', 1)]);
      await ledger.record([
        event('failed', 1, { attempt: 'x', round: 1 }),
        event('running', 1, { attempt: 'y', round: 2 }),
      ]);
      expect(await readCounts(ledger)).to.include({ running: 0, done: 1, failed: 0 });
      expect(await task(1)).to.include({ state: 'done', attempts: 3 });
    });

    it('runs a failed task again in a newer round only', async () => {
      await ledger.record([event('failed', 1)]);
      await ledger.record([event('running', 1, { attempt: 'late' })]);
      expect(await readCounts(ledger)).to.include({ running: 0, failed: 1 });
      await ledger.record([event('running', 1, { attempt: 'again', round: 1, startedAt: T0 + 9000 })]);
      expect(await readCounts(ledger)).to.include({ running: 1, failed: 0 });
      await ledger.record([event('failed', 1, { attempt: 'older', round: 0 })]);
      expect(await task(1)).to.include({ state: 'running', round: 1 });
    });

    it('shows the attempt that published, not the last one reported', async () => {
      await ledger.record([event('done', 1, { attempt: 'won', worker: 'w2', endedAt: T0 + 2000 })]);
      await ledger.record([event('failedAttempt', 1, { attempt: 'lost', worker: 'w3', number: 2, exitCode: 9 })]);
      expect(await task(1)).to.include({ worker: 'w2', endedAt: T0 + 2000, exitCode: 0 });
    });

    it('keeps every fact of every attempt, oldest first', async () => {
      const facts = { waitSeconds: 1.25, cpuSeconds: 0.5, peakMemory: 2 ** 40, bytesIn: 10, bytesOut: 0, slot: 3 };
      const counters = { claims: '0.10' };
      const second = event('done', 1, { attempt: 'b', number: 2, startedAt: T0 + 5, ...facts, counters });
      const first = event('failedAttempt', 1, { attempt: 'z', exitCode: 1, reason: 'exit', error: 'Größe "x"\t' });
      await ledger.record([second, first]);
      expect(await ledger.attempts('claims-1', 'price', 1)).to.deep.equal([first, second]);
      expect(await ledger.attempts('claims-1', 'price', 2)).to.deep.equal([]);
    });

    it('pages by task, from step to step, each task once', async () => {
      const steps = ['price', 'audit'];
      await ledger.record(steps.flatMap((step) => doneEvents(70, { step })));
      const pages = await readPages<LedgerTask>((after) => ledger.tasks('claims-1', { limit: 9, ...after }));
      const seen = pages.flat().map((each) => `${each.step}/${each.task}`);
      expect(new Set(seen).size).to.equal(140);
      expect(seen).to.have.length(140);
      expect(pages.slice(0, -1).every((page) => page.length <= 9)).to.equal(true);
      const ofPrice = seen.filter((each) => each.startsWith('price'));
      expect(ofPrice).to.deep.equal(Array.from({ length: 70 }, (_, n) => `price/${n}`));
    });

    it('pages by state and step, in task order', async () => {
      const outcome = (n: number) => (['done', 'failed', 'running', 'interrupted'] as const)[n % 4] ?? 'done';
      await ledger.record(Array.from({ length: 40 }, (_, n) => event(outcome(n), n)));
      const filter = { step: 'price', states: ['failed', 'running'] as const, limit: 3 };
      const page = await ledger.tasks('claims-1', { ...filter, after: { step: 'price', task: 5 } });
      expect(page.map((each) => each.task)).to.deep.equal([6, 9, 10]);
      expect(await ledger.tasks('claims-1', { ...filter, step: 'other' })).to.deep.equal([]);
      expect(
        await ledger.tasks('claims-1', { limit: 3, states: ['done'], after: { step: 'price', task: 36 } }),
      ).to.deep.equal([]);
    });
  });

  describe('workers', () => {
    it('keeps the latest heartbeat of each, newest first', async () => {
      await ledger.heartbeat(worker({ seenAt: T0 + 20, state: 'draining' }));
      await ledger.heartbeat(worker({ seenAt: T0 + 10 }));
      await ledger.heartbeat(worker({ worker: 'w2', group: 'gpu', seenAt: T0 + 30, busy: [] }));
      const all = await ledger.workers({});
      expect(all).to.deep.equal([
        worker({ worker: 'w2', group: 'gpu', seenAt: T0 + 30, busy: [] }),
        worker({ seenAt: T0 + 20, state: 'draining' }),
      ]);
      expect(await ledger.workers({ group: 'default' })).to.have.length(1);
      expect(await ledger.workers({ since: T0 + 21 })).to.have.length(1);
      expect(await ledger.workers({ since: T0 + 20 })).to.have.length(2);
    });
  });
}
