// Protects: a watcher looks at a job as often as it must, and one bad job never hides a failing service.

import { expect } from 'chai';
import { BatchctlError, type ErrorKind } from '../../../src/errors.ts';
import { cancel } from '../../../src/jobs/change/lifecycle.ts';
import { requireView } from '../../../src/jobs/journal.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { jobKey, lookKey, openMark } from '../../../src/model/keys.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { event } from '../../contracts/ledger-events.ts';
import { addEntry } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { rangeJob } from '../../support/range-job.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { failsWith } from '../../support/rejection.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('a watcher of jobs', () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock());
  let platform: Platform;
  let job: string;
  beforeEach(async () => {
    platform = { ...place.platform, clock };
    job = (await submitJob(place, JSON.stringify(rangeJob('claims', 5, { name: 'one', run: ['cat'] })), {})).record.job;
  });

  for (const [kind, denied, passes] of [
    ['unavailable', false, false],
    ['full', false, false],
    ['credentials', false, false],
    ['credentials', true, true],
    ['corrupt', false, true],
    ['newer', false, true],
    ['unexpected', false, true],
  ] as const satisfies readonly (readonly [ErrorKind, boolean, boolean])[]) {
    it(`${passes ? 'reports' : 'ends its round at'} an error of kind ${kind}${denied ? ' that denies one action' : ''}`, async () => {
      const other = (await submitJob(place, JSON.stringify(rangeJob('zoo', 2, { name: 'one', run: ['cat'] })), {}))
        .record;
      const error = new BatchctlError(kind, 'no', denied ? { denied: 's3:GetObject on x' } : {});
      const store = wrapStore(platform.store, {
        read: (key, options) => (key === jobKey(job) ? Promise.reject(error) : platform.store.read(key, options)),
      });
      const troubles: string[] = [];
      const onTrouble = (of: string): void => void troubles.push(of);
      const watcher = new JobWatcher({ ...platform, store }, 15, onTrouble, { raises: false });
      if (!passes) {
        await failsWith(kind, watcher.round());
        expect(troubles).to.deep.equal([]);
        return;
      }
      const looks = await watcher.round();
      expect([troubles, [...looks.keys()]]).to.deep.equal([[job], [other.job]]);
      expect(watcher.open).to.equal(2);
    });
  }

  for (const [leaseSeconds, every] of [
    [15, 30],
    [300, 60],
  ] as const) {
    it(`lists a job that stands still every ${every} s, with leases of ${leaseSeconds} s`, async () => {
      const watcher = new JobWatcher(platform, leaseSeconds, undefined, { raises: false });
      const looks = async (): Promise<boolean> => (await watcher.glance(job))?.look !== null;
      expect(await looks()).to.equal(true);
      clock.pass(every - 0.1);
      expect(await looks()).to.equal(false);
      clock.pass(0.1);
      expect(await looks()).to.equal(true);
      expect(await looks()).to.equal(false);
    });
  }

  it('continues the time that a job has stood still from an earlier process, only if nothing moved', async () => {
    const first = new JobWatcher(platform, 15, undefined, { raises: false });
    await first.glance(job);
    const began = clock.monotonic();
    expect(first.positions().get(job)?.since).to.equal(began);
    clock.pass(100);
    const again = new JobWatcher(platform, 15, undefined, { raises: false, stood: first.positions() });
    await again.glance(job);
    expect(again.positions().get(job)?.since).to.equal(began);
    const moved = new Map([[job, { is: 'elsewhere', since: began }]]);
    const other = new JobWatcher(platform, 15, undefined, { raises: false, stood: moved });
    await other.glance(job);
    expect(other.positions().get(job)?.since).to.equal(clock.monotonic());
    await cancel(platform, await requireView(platform.store, job));
    await other.glance(job, true);
    expect(other.positions().size, 'of a job that has ended').to.equal(0);
  });

  it('keeps the position of an open job whose mark is missing, and none of a job that it closed', async () => {
    const watcher = new JobWatcher(platform, 15, undefined, { raises: false });
    await watcher.round();
    await platform.store.delete([openMark(job, 0)]);
    await watcher.round();
    expect(watcher.positions().has(job)).to.equal(true);
    await publish(5);
    expect((await watcher.glance(job, true))?.look?.did).to.deep.equal(['close']);
    expect(watcher.positions().size).to.equal(0);
  });

  it('lists a job again at once if a listing has failed', async () => {
    let fails = false;
    const store = wrapStore(platform.store, {
      keys: (prefix, options) => {
        if (fails && prefix.includes('/steps/')) throw new BatchctlError('unavailable', 'no');
        return platform.store.keys(prefix, options);
      },
    });
    const watcher = new JobWatcher({ ...platform, store }, 15, undefined, { raises: false });
    await watcher.glance(job);
    clock.pass(60);
    fails = true;
    await failsWith('unavailable', watcher.glance(job));
    fails = false;
    expect((await watcher.glance(job))?.look).not.to.equal(null);
  });

  it("reports a group that it can't raise once", async () => {
    const group = () => Promise.reject(new BatchctlError('refused', 'no such group'));
    const troubles: unknown[] = [];
    const remote: Platform = { ...platform, workplace: OTHER_MACHINES, group };
    const watcher = new JobWatcher(remote, 15, (_, error) => void troubles.push(error));
    for (let n = 0; n < 3; n += 1) {
      await watcher.round();
      clock.pass(120);
    }
    expect(troubles.map(String)).to.deep.equal(['BatchctlError: no such group']);
  });

  it('decides nothing about a job whose objects are removed', async () => {
    const view = await requireView(platform.store, job);
    const closed = await addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round: 0 });
    await addEntry(platform, closed, { what: 'prune', remains: {} });
    const watcher = new JobWatcher(platform, 15, undefined, { raises: false });
    expect((await watcher.glance(job, true))?.look).to.equal(null);
  });

  describe('whose counters say that everything is decided', () => {
    const ended = async (outcome: 'done' | 'failed', ...tasks: readonly number[]): Promise<void> => {
      const ledger = await platform.ledger();
      await ledger.record(tasks.map((task) => event(outcome, task, { job, step: 'one' })));
    };
    let watcher: JobWatcher;
    const looks = async (): Promise<boolean> => (await watcher.glance(job))?.look !== null;
    beforeEach(() => {
      watcher = new JobWatcher(platform, 15, undefined, { raises: false });
    });

    it('lists it, a moment after a listing that found nothing to do, and once for each change of them', async () => {
      await ended('done', 0, 1, 2, 3);
      expect(await looks(), 'the first time').to.equal(true);
      // The counters are ahead of what the store lists, as after a retry.
      await ended('failed', 4);
      expect([await looks(), await watcher.afterOutcome(job, true)]).to.deep.equal([false, 200]);
      clock.pass(0.2);
      expect(await watcher.afterOutcome(job, true), 'a moment later').to.equal(null);
      clock.pass(0.3);
      expect(await looks(), 'unchanged').to.equal(false);
      await addEntry(platform, await requireView(platform.store, job), { what: 'adjust', maxRunning: 3 });
      expect(await looks(), 'after a decision').to.equal(true);
    });

    it('leaves a job at once that has been closed since', async () => {
      await ended('done', 0, 1, 2, 3, 4);
      expect(await looks()).to.equal(true);
      const view = await requireView(platform.store, job);
      await addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round: 0 });
      const { store, requests } = recordRequests(platform.store);
      const other = new JobWatcher({ ...platform, store }, 15, undefined, { raises: false });
      expect([await watcher.afterOutcome(job, false), await other.afterOutcome(job, false)]).to.deep.equal([
        null,
        null,
      ]);
      expect(requests.filter((request) => request.includes('/steps/'))).to.deep.equal([]);
    });

    it('lists it again at once after a listing that decided something', async () => {
      const steps = [
        { name: 'one', run: ['cat'] },
        { name: 'all', gather: true, run: ['cat'] },
        { name: 'end', gather: true, run: ['cat'] },
      ] as const;
      const view = await submitJob(place, JSON.stringify(rangeJob<object>('gathers', 5, ...steps)), {});
      job = view.record.job;
      await publish(5);
      await ended('done', 0, 1, 2, 3, 4);
      expect((await watcher.glance(job))?.look?.did, 'opens the first gather').to.deep.equal(['open']);
      await publishSmall({ platform, view: await requireView(platform.store, job) }, 'all', 0, 'x');
      await (await platform.ledger()).record([event('done', 0, { job, step: 'all' })]);
      expect((await watcher.glance(job))?.look?.did, 'and the next').to.deep.equal(['open']);
    });

    it('counts the outputs of a closed job once more only if its totals lack some', async () => {
      await publish(5);
      await ended('done', 0, 1, 2, 3, 4);
      await watcher.glance(job, true);
      const { store, requests } = recordRequests(platform.store);
      const other = new JobWatcher({ ...platform, store }, 15, undefined, { raises: false });
      await other.afterOutcome(job, true);
      const listings = requests.filter((request) => /^(list|keys) .*\/steps\/one\/out\//.test(request));
      expect(listings).to.have.length(1);
    });
  });

  describe('that shares the work with others', () => {
    const watcherOf = (of: Platform = { ...platform, workplace: OTHER_MACHINES }, shares = true): JobWatcher =>
      new JobWatcher(of, 15, undefined, { raises: false, shares });
    const isMarked = async (): Promise<boolean> => (await platform.store.head(openMark(job, 0))) !== null;
    const close = async (round = 0): Promise<void> => {
      const view = await requireView(platform.store, job);
      await addEntry(platform, view, { what: 'close', state: 'failed', reason: 'failures', round });
    };

    it('leaves the end of a close to its author for half a minute after each close', async () => {
      const watcher = watcherOf();
      await watcher.round();
      await close();
      await watcher.round();
      expect(await isMarked(), 'at once').to.equal(true);
      clock.pass(20);
      const view = await requireView(platform.store, job);
      const tasks = { one: '0' };
      await addEntry(platform, view, { what: 'retry', round: 1, tasks, canaries: null, overrides: {} });
      await watcher.round();
      await close(1);
      await watcher.round();
      clock.pass(29);
      await watcher.round();
      expect(await isMarked(), 'after the second close').to.equal(true);
      clock.pass(1);
      await watcher.round();
      expect(await isMarked(), 'half a minute later').to.equal(false);
    });

    it('ends a close itself on a machine of its own, and if it is the only one', async () => {
      for (const watcher of [watcherOf(platform), watcherOf({ ...platform, workplace: OTHER_MACHINES }, false)]) {
        await platform.store.put(openMark(job, 0), '{"format":1}');
        if ((await requireView(platform.store, job)).closed === null) await close();
        await watcher.round();
        expect(await isMarked()).to.equal(false);
      }
    });

    it('leaves no mark of its looks at a small job', async () => {
      const [one, other] = [watcherOf(), watcherOf()];
      for (const watcher of [one, other]) expect((await watcher.glance(job))?.look).not.to.equal(null);
      expect(await platform.store.head(lookKey(job))).to.equal(null);
    });

    it('lists a large job that moves on one of them a minute, and one that stands still on each', async () => {
      job = (await submitJob(place, JSON.stringify(rangeJob('large', 10_000, { name: 'one', run: ['cat'] })), {}))
        .record.job;
      const watchers = [watcherOf(), watcherOf()];
      const looks = async (): Promise<readonly boolean[]> => {
        const looked: boolean[] = [];
        for (const watcher of watchers) looked.push((await watcher.glance(job))?.look !== null);
        return looked;
      };
      const moves = async (task: number): Promise<void> =>
        (await platform.ledger()).record([event('done', task, { job, step: 'one' })]);
      expect(await looks(), 'at first').to.deep.equal([true, false]);
      clock.pass(20);
      await moves(0);
      expect(await looks(), 'twenty seconds later').to.deep.equal([false, false]);
      clock.pass(10);
      expect(await looks(), 'two leases later').to.deep.equal([true, false]);
      clock.pass(30);
      expect(await looks(), 'when it stands still').to.deep.equal([true, true]);
      expect(watchers.map((watcher) => watcher.positions().has(job))).to.deep.equal([true, true]);
      await moves(1);
      clock.pass(20);
      await moves(2);
      await looks();
      clock.pass(10);
      expect(await looks(), 'when it moves again').to.deep.equal([true, false]);
      // What a watcher knows of it is too old for a resend.
      expect(watchers.map((watcher) => watcher.positions().has(job))).to.deep.equal([true, false]);
    });
  });

  /** Publishes the outputs of the first tasks. */
  async function publish(tasks: number): Promise<void> {
    const view = await requireView(platform.store, job);
    for (let task = 0; task < tasks; task += 1) await publishSmall({ platform, view }, 'one', task, 'x');
  }
});
