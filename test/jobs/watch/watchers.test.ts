// Protects: watchers delete no live submission, resend no task without need, and keep listings cheap.
import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { discardAbandoned } from '../../../src/jobs/prune/discard.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { jobKey, journalKey, openMark } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Delivery } from '../../../src/ports/task-queue.ts';
import { addEntry, attemptEnded, claimsJob, failForGood } from '../../support/claims-job.ts';
import { forEachTest } from '../../support/fixture.ts';
import { agedStore, wrapStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

describe('watchers', () => {
  const place = forEachTest(openPlace);

  it('delete no submission in progress, even with a clock that is days ahead', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    // With a key, and not yet claimed.
    const record = { ...view.record, runKey: 'k', runNumber: 0 };
    await platform.store.put(openMark(job, 0), '{"format":1}');
    await platform.store.put(jobKey(job), JSON.stringify(record));
    const ahead = { ...platform, clock: { now: () => Date.now() + 25 * 3_600_000, monotonic: () => 0 } };
    await new JobWatcher(ahead, 15).round();
    expect(await platform.store.head(jobKey(job))).to.not.equal(null);
  });

  it('keep the journal of a pruned job that still has an open mark', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    await addEntry(platform, view, { what: 'sent' });
    await platform.store.delete([jobKey(job)]);
    await platform.store.put(openMark(job, 0), '{"format":1}');
    await discardAbandoned({ ...platform, store: agedStore(platform.store, 48 * 3_600_000) }, job);
    expect(await platform.store.head(journalKey(job, 0))).to.not.equal(null);
    expect(await platform.store.head(openMark(job, 0))).to.equal(null);
  });

  it("don't resend for another job because of messages that a paused job lacks", async () => {
    const { platform } = place;
    let mono = 0;
    const clock = { now: () => Date.now(), monotonic: () => mono };
    const slow = await submitJob(place, claimsJob(0), {});
    const paused = await submitJob(place, claimsJob(0).replace('claims', 'other'), {});
    await addEntry(platform, paused, { what: 'pause', now: false, reason: 'me' });
    // As a worker drops them.
    const queue = await platform.queue('default');
    for (;;) {
      const got = await queue.receive({ max: 10, waitSeconds: 0 });
      if (got.length === 0) break;
      const mine = got.filter(({ body }) => body.includes(paused.record.job));
      await queue.ack(mine.map(({ receipt }) => receipt));
    }
    const watcher = new JobWatcher({ ...platform, clock }, 15);
    for (const at of [0, 31_000, 62_000]) {
      mono = at;
      await watcher.round(true);
    }
    const view = await refreshView(platform.store, slow);
    expect(view.resends).to.equal(0);
  });

  it("don't list the whole job after every outcome of a retry round", async () => {
    const { platform } = place;
    const view = await submitJob(
      place,
      'name: claims\ninput: { split: { by: range, from: 1, to: 60 } }\nsteps:\n  - { name: price, run: [cat] }\n',
      {},
    );
    const { job } = view.record;
    const ledger = await platform.ledger();
    for (let n = 0; n < 60; n += 1) {
      if (n < 20) await failForGood(platform, job, 'price', n);
      else await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([attemptEnded(job, n, 0, n < 20 ? 'failed' : 'done')]);
    }
    const closed = (await look(platform, view)).view;
    await retry(platform, closed);
    let lists = 0;
    const store = wrapStore(platform.store, {
      list: (prefix, options) => {
        if (prefix.endsWith('/out/')) lists += 1;
        return platform.store.list(prefix, options);
      },
    });
    const watcher = new JobWatcher({ ...platform, store }, 15);
    await watcher.glance(job);
    lists = 0;
    for (let n = 0; n < 19; n += 1) {
      await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([attemptEnded(job, n, 1, 'done')]);
      await watcher.afterOutcome(job, true);
    }
    expect(lists).to.be.at.most(2);
  });

  it('let one of many workers list a large active job each minute, and each of them a large idle one', async () => {
    const { platform } = place;
    const yaml =
      'name: claims\ninput: { split: { by: range, from: 1, to: 10000 } }\nsteps:\n  - { name: price, run: [cat] }\n';
    const view = await putJob(platform, [], { yaml, parts: 10_000 });
    const { job } = view.record;
    await platform.store.put(openMark(job, 0), '{"format":1}');
    let [mono, lists, done] = [0, 0, 0];
    const clock = { now: () => Date.now(), monotonic: () => mono };
    const store = wrapStore(platform.store, {
      keys: (prefix, options) => {
        if (prefix.endsWith('/out/')) lists += 1;
        return platform.store.keys(prefix, options);
      },
    });
    const ledger = await platform.ledger();
    const counts: typeof ledger.counts = async () => {
      const [counted] = await ledger.counts(job);
      return counted === undefined ? [] : [{ ...counted, done }];
    };
    const counting = new Proxy(ledger, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        return name === 'counts' ? counts : typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const grid: Platform = { ...platform, clock, store, remote: true, ledger: async () => counting };
    await ledger.recordJob({
      ...{ job, name: 'claims', runKey: null, state: 'running', reason: null, round: 0, createdAt: 1, closedAt: null },
      ...{ createdBy: 'me', labels: {}, steps: [{ name: 'price', group: 'default', total: 10_000 }] },
    });
    const workers = Array.from(
      { length: 6 },
      () => new JobWatcher(grid, 120, undefined, { raises: false, shares: true }),
    );
    const minutes = async (count: number, moves: boolean): Promise<number> => {
      lists = 0;
      for (let n = 0; n < count; n += 1) {
        for (const worker of workers) {
          mono += 60_000 / workers.length;
          if (moves) done += 1;
          await worker.glance(job);
        }
      }
      return lists;
    };
    expect(await minutes(6, true)).to.be.within(5, 8);
    await minutes(5, false);
    expect(await minutes(1, false)).to.equal(workers.length);
  });

  it('of a large group leave the counts of a closed job to the process that closed it, unless that died', async () => {
    const one = 'name: one\ninput: { split: { by: range, from: 1, to: 4 } }\nsteps: [{ name: price, run: [cat] }]\n';
    const view = await submitJob(place, one, {});
    const { job } = view.record;
    for (const task of [0, 1, 2, 3]) await publishSmall({ platform: place.platform, view }, 'price', task, 'x');
    await addEntry(place.platform, view, { what: 'close', round: 0, state: 'succeeded', reason: null });
    let [mono, reads] = [0, 0];
    const store = wrapStore(place.platform.store, {
      head: (key) => {
        if (key.includes('/out/')) reads += 1;
        return place.platform.store.head(key);
      },
    });
    const clock = { now: () => Date.now(), monotonic: () => mono };
    const grid: Platform = { ...place.platform, store, clock, remote: true };
    const ledger = await grid.ledger();
    const workers = Array.from(
      { length: 6 },
      () => new JobWatcher(grid, 15, undefined, { raises: false, shares: true }),
    );
    for (const worker of workers) await worker.afterOutcome(job, true);
    expect([reads, (await ledger.job(job))?.state]).to.deep.equal([0, 'running']);
    mono = 30_000;
    for (const worker of workers) await worker.afterOutcome(job, true);
    expect([reads, (await ledger.job(job))?.state]).to.deep.equal([4, 'succeeded']);
  });
});

describe('a missing task', () => {
  const place = forEachTest(openPlace);
  let mono: number;
  let watcher: JobWatcher;
  beforeEach(() => {
    mono = 0;
    watcher = onlookerOn(place.platform);
  });

  /** Leases of 15 s. */
  const onlookerOn = (platform: Platform): JobWatcher =>
    new JobWatcher({ ...platform, clock: { now: () => Date.now(), monotonic: () => mono } }, 15);
  const receiveAll = async (): Promise<readonly Delivery[]> =>
    (await place.platform.queue('default')).receive({ max: 10, waitSeconds: 0 });
  const lose = async (which: readonly Delivery[]): Promise<void> =>
    (await place.platform.queue('default')).ack(which.map(({ receipt }) => receipt));
  /** How often the job was re-sent after a watcher looked at these times, milliseconds. */
  async function resends(view: JobView, ...times: readonly number[]): Promise<number> {
    for (mono of times) await watcher.round(true);
    return (await refreshView(place.platform.store, view)).resends;
  }

  it('is sent again after two leases, and the next time after twice as long', async () => {
    const view = await submitJob(place, claimsJob(0), {});
    await lose(await receiveAll());
    expect(await resends(view, 0, 29_999)).to.equal(0);
    expect(await resends(view, 30_000)).to.equal(1);
    const again = await receiveAll();
    expect(again).to.have.length(4);
    await lose(again);
    expect(await resends(view, 30_001, 90_000)).to.equal(1);
    expect(await resends(view, 90_001)).to.equal(2);
  });

  it('is not sent again while the queue has as many messages: visible, delayed or leased', async () => {
    const view = await submitJob(place, claimsJob(0), {});
    expect(await resends(view, 0, 31_000)).to.equal(0);
    const [one, ...others] = await receiveAll();
    if (one === undefined) return expect.fail('nothing was sent');
    await (await place.platform.queue('default')).release([{ receipt: one.receipt, delay: 900 }]);
    expect(await resends(view, 32_000)).to.equal(0);
    await lose(others.slice(0, 1));
    expect(await resends(view, 33_000)).to.equal(1);
  });

  it('is sent again although the queue has messages of another job', async () => {
    const view = await submitJob(place, claimsJob(0), {});
    await lose(await receiveAll());
    await submitJob(place, claimsJob(0).replace('claims', 'other'), {});
    expect(await resends(view, 0, 30_000)).to.equal(1);
  });

  it('is not sent again if a person has changed the job since it was counted', async () => {
    const { platform } = place;
    const view = await submitJob(place, claimsJob(0), {});
    await lose(await receiveAll());
    let paused = false;
    watcher = onlookerOn({
      ...platform,
      queue: async (group) => {
        const queue = await platform.queue(group);
        const held: typeof queue.readCounts = async () => {
          if (!paused) await addEntry(platform, view, { what: 'pause', now: false, reason: 'x' });
          paused = true;
          return queue.readCounts();
        };
        return Object.create(queue, { readCounts: { value: held } });
      },
    });
    expect(await resends(view, 0, 30_000)).to.equal(0);
    expect(paused).to.equal(true);
  });

  it('is not sent before the job is due, nor for a job that gave up its remaining tasks', async () => {
    const early = await submitJob(place, claimsJob(0), {}, new Date(Date.now() + 3_600_000).toISOString());
    const stopped = await submitJob(place, claimsJob(4), {});
    await addEntry(place.platform, stopped, { what: 'stop', cause: 'x' });
    await lose(await receiveAll());
    expect(await resends(early, 0, 31_000)).to.equal(0);
    expect((await refreshView(place.platform.store, stopped)).resends).to.equal(0);
  });
});
