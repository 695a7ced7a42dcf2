// Protects: watchers delete no live submission, resend no task without need, and keep listings cheap.

import { expect } from 'chai';
import { retry } from '../../../src/jobs/change/retry.ts';
import { discardAbandoned } from '../../../src/jobs/discard.ts';
import { refreshView } from '../../../src/jobs/journal.ts';
import { JobWatcher } from '../../../src/jobs/watch/job-watcher.ts';
import { look } from '../../../src/jobs/watch/look.ts';
import { jobKey, journalKey, openMark } from '../../../src/model/keys.ts';
import type { JobView } from '../../../src/model/view.ts';
import { OTHER_MACHINES } from '../../../src/platform/other-machines.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import type { Delivery } from '../../../src/ports/task-queue.ts';
import { job as ledgerJob } from '../../contracts/ledger-events.ts';
import { addEntry, claimsJob, endedAttempt, failForGood } from '../../support/claims-job.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { recordRequests } from '../../support/record-requests.ts';
import { withMethods } from '../../support/with-methods.ts';
import { agedStore } from '../../support/wrap-store.ts';
import { openPlace, publishSmall, putJob } from '../published-job.ts';
import { submitJob } from '../submitted-job.ts';

const rangeYaml = (tasks: number): string =>
  `name: claims\ninput: { split: { by: range, from: 1, to: ${tasks} } }\nsteps: [{ name: price, run: [cat] }]\n`;

/** Six of many workers that share their watching. */
const sixWatchers = (platform: Platform, leaseSeconds: number): readonly JobWatcher[] =>
  Array.from({ length: 6 }, () => new JobWatcher(platform, leaseSeconds, undefined, { raises: false, shares: true }));

describe('watchers', () => {
  const place = forEachTest(openPlace);

  it('delete no submission in progress, even with a clock that is days ahead', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    // With a run key that is not claimed yet.
    const record = { ...view.record, runKey: 'k', runNumber: 0 };
    await platform.store.put(openMark(job, 0), '{"format":1}');
    await platform.store.put(jobKey(job), JSON.stringify(record));
    const clock = new FakeClock(Date.now() + 25 * 3_600_000);
    await new JobWatcher({ ...platform, clock }, 15).round();
    expect(await platform.store.head(jobKey(job))).to.not.equal(null);
  });

  it('keep the journal of a pruned job that has an open mark', async () => {
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
    const slow = await submitJob(place, claimsJob(0), {});
    const paused = await submitJob(place, claimsJob(0).replace('claims', 'other'), {});
    await addEntry(platform, paused, { what: 'pause', now: false, reason: 'me' });
    // As a worker drops them.
    const queue = await platform.queue('default');
    for (;;) {
      const received = await queue.receive({ max: 10, waitSeconds: 0 });
      if (received.length === 0) break;
      const dropped = received.filter(({ body }) => body.includes(paused.record.job));
      await queue.ack(dropped.map(({ receipt }) => receipt));
    }
    const clock = new FakeClock();
    const watcher = new JobWatcher({ ...platform, clock }, 15);
    for (const seconds of [0, 31, 31]) {
      clock.pass(seconds);
      await watcher.round(true);
    }
    expect((await refreshView(platform.store, slow)).resends).to.equal(0);
  });

  it("don't list the whole job after every outcome of a retry round", async () => {
    const { platform } = place;
    const view = await submitJob(place, rangeYaml(60), {});
    const { job } = view.record;
    const ledger = await platform.ledger();
    for (let n = 0; n < 60; n += 1) {
      if (n < 20) await failForGood(platform, job, 'price', n);
      else await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([endedAttempt(job, n, 0, n < 20 ? 'failed' : 'done')]);
    }
    const closed = (await look(platform, view)).view;
    await retry(platform, closed);
    const { store, requests } = recordRequests(platform.store);
    const watcher = new JobWatcher({ ...platform, store }, 15);
    await watcher.glance(job);
    requests.length = 0;
    for (let n = 0; n < 19; n += 1) {
      await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([endedAttempt(job, n, 1, 'done')]);
      await watcher.afterOutcome(job, true);
    }
    expect(requests.filter((request) => /^list .*\/out\/$/.test(request)).length).to.be.at.most(2);
  });

  it('let one of many workers list a large active job each minute, and each of them a large idle one', async () => {
    const { platform } = place;
    const view = await putJob(platform, [], { yaml: rangeYaml(10_000), parts: 10_000 });
    const { job } = view.record;
    await platform.store.put(openMark(job, 0), '{"format":1}');
    let done = 0;
    const clock = new FakeClock();
    const { store, requests } = recordRequests(platform.store);
    const ledger = await platform.ledger();
    const counting = withMethods(ledger, {
      counts: async () => (await ledger.counts(job)).map((counted) => ({ ...counted, done })),
    });
    const grid: Platform = { ...platform, clock, store, workplace: OTHER_MACHINES, ledger: async () => counting };
    await ledger.recordJob(ledgerJob({ job, steps: [{ name: 'price', group: 'default', total: 10_000 }] }));
    const watchers = sixWatchers(grid, 120);
    const listingsIn = async (minutes: number, isActive: boolean): Promise<number> => {
      requests.length = 0;
      for (let n = 0; n < minutes; n += 1) {
        for (const watcher of watchers) {
          clock.pass(60 / watchers.length);
          if (isActive) done += 1;
          await watcher.glance(job);
        }
      }
      return requests.filter((request) => /^keys .*\/out\/$/.test(request)).length;
    };
    expect(await listingsIn(6, true)).to.be.within(5, 8);
    await listingsIn(5, false);
    expect(await listingsIn(1, false)).to.equal(watchers.length);
  });

  it('of a large group leave the counts of a closed job to the process that closed it, unless it died', async () => {
    const view = await submitJob(place, rangeYaml(4), {});
    const { job } = view.record;
    for (const task of [0, 1, 2, 3]) await publishSmall({ platform: place.platform, view }, 'price', task, 'x');
    await addEntry(place.platform, view, { what: 'close', round: 0, state: 'succeeded', reason: null });
    const { store, requests } = recordRequests(place.platform.store);
    const reads = () => requests.filter((request) => /^head .*\/out\//.test(request)).length;
    const clock = new FakeClock();
    const grid: Platform = { ...place.platform, store, clock, workplace: OTHER_MACHINES };
    const ledger = await grid.ledger();
    const watchers = sixWatchers(grid, 15);
    for (const watcher of watchers) await watcher.afterOutcome(job, true);
    expect([reads(), (await ledger.job(job))?.state]).to.deep.equal([0, 'running']);
    clock.pass(30);
    for (const watcher of watchers) await watcher.afterOutcome(job, true);
    expect([reads(), (await ledger.job(job))?.state]).to.deep.equal([4, 'succeeded']);
  });
});

describe('a missing task', () => {
  const place = forEachTest(openPlace);
  let monotonic: number;
  let watcher: JobWatcher;
  beforeEach(() => {
    monotonic = 0;
    watcher = watcherOn(place.platform);
  });

  /** Leases last 15 s. */
  const watcherOn = (platform: Platform): JobWatcher =>
    new JobWatcher({ ...platform, clock: { now: () => Date.now(), monotonic: () => monotonic } }, 15);
  const receiveAll = async (): Promise<readonly Delivery[]> =>
    (await place.platform.queue('default')).receive({ max: 10, waitSeconds: 0 });
  const lose = async (deliveries: readonly Delivery[]): Promise<void> =>
    (await place.platform.queue('default')).ack(deliveries.map(({ receipt }) => receipt));
  /** How often the job was re-sent after a watcher looked at these times, milliseconds. */
  async function resends(view: JobView, ...times: readonly number[]): Promise<number> {
    for (monotonic of times) await watcher.round(true);
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
    watcher = watcherOn({
      ...platform,
      queue: async (group) => {
        const queue = await platform.queue(group);
        return withMethods(queue, {
          readCounts: async () => {
            if (!paused) await addEntry(platform, view, { what: 'pause', now: false, reason: 'x' });
            paused = true;
            return queue.readCounts();
          },
        });
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
