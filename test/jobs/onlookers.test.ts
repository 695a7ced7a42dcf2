// Protects: onlookers delete no live submission, resend no task for nothing, and keep listings cheap.
import { expect } from 'chai';
import { discardAbandoned } from '../../src/jobs/discard.ts';
import { refreshView } from '../../src/jobs/journal.ts';
import { look } from '../../src/jobs/look.ts';
import { Onlooker } from '../../src/jobs/onlooker.ts';
import { retry } from '../../src/jobs/retry.ts';
import { jobKey, openMark } from '../../src/model/keys.ts';
import { openPlace, type Place, publishSmall, putJob } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';

import { addEntry, claimsJob, failForGood } from '../support/claims-job.ts';

describe('onlookers', () => {
  let place: Place;
  beforeEach(async () => {
    place = await openPlace();
  });
  afterEach(async () => {
    await place.end();
  });

  it('an onlooker whose clock is days ahead deletes no submission in progress', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    // keyed and not yet claimed
    const record = { ...view.record, runKey: 'k', runNumber: 0 };
    await platform.store.put(openMark(job, 0), '{"format":1}');
    await platform.store.put(jobKey(job), JSON.stringify(record));
    const ahead = { ...platform, clock: { now: () => Date.now() + 25 * 3_600_000, monotonic: () => 0 } };
    await new Onlooker(ahead, 15).round();
    expect(await platform.store.head(jobKey(job))).to.not.equal(null);
  });

  it('an onlooker keeps the journal of a pruned job that has an open mark left', async () => {
    const { platform } = place;
    const view = await putJob(platform, [{ name: 'a' }], {});
    const { job } = view.record;
    await addEntry(platform, view, { what: 'sent' });
    await platform.store.delete([jobKey(job)]);
    await discardAbandoned(platform, job);
    let keys = 0;
    for await (const _ of platform.store.list(`jobs/${job}/journal/`)) keys += 1;
    expect(keys).to.equal(1);
  });

  it('messages that a paused job misses do not make another job resend', async () => {
    const { platform } = place;
    let mono = 0;
    const clock = { now: () => Date.now(), monotonic: () => mono };
    const slow = await submitJob(place, claimsJob(0), {});
    const paused = await submitJob(place, claimsJob(0).replace('claims', 'other'), {});
    await addEntry(platform, paused, { what: 'pause', now: false, reason: 'me' });
    // as a worker drops them
    const queue = await platform.queue('default');
    for (;;) {
      const got = await queue.receive({ max: 10, waitSeconds: 0 });
      if (got.length === 0) break;
      const mine = got.filter(({ body }) => body.includes(paused.record.job));
      await queue.ack(mine.map(({ receipt }) => receipt));
    }
    const onlooker = new Onlooker({ ...platform, clock }, 15);
    for (const at of [0, 31_000, 62_000]) {
      mono = at;
      await onlooker.round(true);
    }
    const view = await refreshView(platform.store, slow);
    expect(view.resends).to.equal(0);
  });

  it('a retry round does not list the whole job after every outcome', async () => {
    const { platform } = place;
    const view = await submitJob(
      place,
      'name: claims\ninput: { split: { by: range, from: 1, to: 60 } }\nsteps:\n  - { name: price, run: [cat] }\n',
      {},
    );
    const { job } = view.record;
    const ledger = await platform.ledger();
    const event = (task: number, round: number, outcome: 'done' | 'failed') =>
      ({
        job,
        step: 'price',
        worker: 'w',
        slot: 0,
        outcome,
        startedAt: 1,
        endedAt: 2,
        waitSeconds: null,
        exitCode: 1,
        reason: 'exit',
        error: 'x',
        cpuSeconds: null,
        peakMemory: null,
        bytesIn: null,
        bytesOut: null,
        counters: {},
        number: 1,
        task,
        round,
        attempt: `a${task}r${round}`,
      }) as const;
    for (let n = 0; n < 60; n += 1) {
      if (n < 20) await failForGood(platform, job, 'price', n);
      else await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([event(n, 0, n < 20 ? 'failed' : 'done')]);
    }
    const closed = (await look(platform, view)).view;
    await retry(platform, closed, { tasks: [], canaries: null, overrides: {}, dryRun: false });
    let lists = 0;
    const store = new Proxy(platform.store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'list') return value.bind(target);
        return (prefix: string, ...rest: unknown[]): unknown => {
          if (prefix.endsWith('/out/')) lists += 1;
          return value.apply(target, [prefix, ...rest]);
        };
      },
    });
    const onlooker = new Onlooker({ ...platform, store }, 15);
    await onlooker.glance(job);
    lists = 0;
    for (let n = 0; n < 19; n += 1) {
      await publishSmall({ platform, view }, 'price', n, 'x');
      await ledger.record([event(n, 1, 'done')]);
      await onlooker.afterOutcome(job, true);
    }
    expect(lists).to.be.at.most(2);
  });
});
