// Protects: batchctl tick fires each schedule once, reports missed firings, and watches open jobs.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { refreshView } from '../../src/jobs/journal.ts';
import {
  freshKeeper,
  latestKeeper,
  putKeeperMark,
  readKeeperMark,
  Troubles,
  tickId,
} from '../../src/jobs/keeper-mark.ts';
import { fireDue } from '../../src/jobs/schedules/fire.ts';
import { addSchedule, listSchedules, pauseSchedule } from '../../src/jobs/schedules/schedules.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { KeeperDuties, type TickResult, tick } from '../../src/jobs/tick.ts';
import type { JobSpec } from '../../src/model/job.ts';
import { firingNewsMark, scheduleKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import { THIS_MACHINE } from '../../src/platform/open-platform.ts';
import { OTHER_MACHINES } from '../../src/platform/other-machines.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import type { WorkerGroup } from '../../src/ports/worker-group.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { fakeWorkerGroup, groupStatus } from '../support/fake-worker-group.ts';
import { forEachTest } from '../support/fixture.ts';
import { failsWith, rejection } from '../support/rejection.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { serve } from '../support/servers/listen.ts';
import { withMethods } from '../support/with-methods.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { openPlace, publishSmall } from './published-job.ts';
import { submitJob } from './submitted-job.ts';

const HOUR = 3_600;
const ADDED = Date.parse('2026-11-27T00:00:00Z');
const MONTH_END = Date.parse('2026-11-30T18:00:00Z');
const ONE = 'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';

/** The signal of a process that goes on. */
const NEVER = new AbortController().signal;

/** A receiver that is not there. */
const RECEIVERS: JobSpec['notify'] = [{ on: ['no-start'], to: 'http://127.0.0.1:1/' }];

describe('tick', () => {
  const place = forEachTest(openPlace);
  let now: number;
  beforeEach(() => {
    now = ADDED;
  });

  /** The platform of a new process, whose monotonic clock begins at 0. */
  const newProcess = (): Platform => ({ ...place.platform, clock: new FakeClock(now) });
  const round = (dryRun = false): Promise<TickResult> => tick(newProcess(), { dryRun });
  const add = (name = 'month-end', spec = scheduleSpec()) =>
    addSchedule(newProcess(), name, { spec, code: null, replace: false });
  const outcomes = ({ fired }: TickResult): readonly string[] => fired.map((each) => `${each.period} ${each.outcome}`);

  it('fires each due schedule once, and leaves its mark', async () => {
    await add();
    expect(outcomes(await round())).to.deep.equal([]);
    now = MONTH_END + 30_000;
    expect(outcomes(await round())).to.deep.equal(['2026-11 fired']);
    expect(outcomes(await round())).to.deep.equal([]);
    const mark = await readKeeperMark(place.platform.store, tickId());
    expect(mark).to.deep.include({ kind: 'tick', at: new Date(now).toISOString() });
    const keeper = await latestKeeper(place.platform);
    expect(keeper?.id).to.equal(tickId());
    const put = keeper?.at ?? 0;
    expect(freshKeeper(keeper, put + 14 * 60_000)).to.equal(keeper);
    expect(freshKeeper(keeper, put + 15 * 60_000)).to.equal(null);
  });

  it('with --dry-run reports what is due, and writes nothing', async () => {
    await add();
    now = MONTH_END;
    expect(outcomes(await round(true))).to.deep.equal(['2026-11 due']);
    expect(await latestKeeper(place.platform)).to.equal(null);
    expect(outcomes(await round())).to.deep.equal(['2026-11 fired']);
  });

  it('names missed firings, once, and runs none of them', async () => {
    const spec = scheduleSpec({ cadence: { kind: 'cron', pattern: '0 6 * * *' }, catchUp: 12 * HOUR });
    await add('daily', spec);
    const missed = async (): Promise<readonly string[]> => (await round()).missed.map(({ firing }) => firing.period);
    now = Date.parse('2026-11-29T17:00:00Z');
    expect(await missed()).to.deep.equal(['2026-11-27T06:00', '2026-11-28T06:00']);
    expect(await missed()).to.deep.equal([]);
    now = Date.parse('2026-11-30T05:00:00Z');
    expect(await missed(), 'the 29th was fired').to.deep.equal([]);
    now = Date.parse('2026-12-01T17:00:00Z');
    expect(await missed()).to.deep.equal(['2026-11-30T06:00']);
  });

  it('with --dry-run writes nothing, and reports missed firings that the next round reports too', async () => {
    const spec = scheduleSpec({ cadence: { kind: 'cron', pattern: '0 6 * * *' }, catchUp: 12 * HOUR });
    await add('daily', { ...spec, job: { ...spec.job, spec: { ...spec.job.spec, notify: RECEIVERS } } });
    now = Date.parse('2026-11-28T17:00:00Z');
    const keys = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const key of place.platform.store.keys('')) found.push(key);
      return found;
    };
    const before = await keys();
    const missed = ({ missed: all }: TickResult) => all.map(({ firing }) => firing.period);
    expect(missed(await round(true))).to.deep.equal(['2026-11-27T06:00']);
    expect(await keys()).to.deep.equal(before);
    expect(missed(await round())).to.deep.equal(['2026-11-27T06:00']);
  });

  /** A schedule whose input does not exist. */
  const addFailing = (name: string) => {
    const yaml = ONE.replace('split: { by: range, from: 1, to: 1 }', 'from: nosuch, split: { by: file }');
    const spec = { ...parseJobFile(yaml, { file: 'job.yaml' }), notify: RECEIVERS };
    return add(name, scheduleSpec({ job: { spec, directory: place.directory } }));
  };

  it('reports a schedule that fails after others have fired', async () => {
    await add('a');
    await addFailing('b');
    now = MONTH_END;
    const done = await round();
    expect(outcomes(done)).to.deep.equal(['2026-11 fired', '2026-11 failed']);
    expect(done.troubles.map(({ about }) => about)).to.deep.equal(['schedule b, 2026-11']);
  });

  it('fails if it can not mark that people must be told of a firing that failed', async () => {
    await addFailing('b');
    now = MONTH_END + HOUR * 1_000;
    const { store } = place.platform;
    const refusing = wrapStore(store, {
      put: (key, body, options) =>
        key.startsWith(firingNewsMark(''))
          ? Promise.reject(new BatchctlError('unavailable', 'no answer'))
          : store.put(key, body, options),
    });
    await failsWith('unavailable', tick({ ...newProcess(), store: refusing }, { dryRun: false }));
  });

  it('fails if it can not mark that people must be told of a firing that was missed', async () => {
    const spec = scheduleSpec();
    await add('month-end', { ...spec, job: { ...spec.job, spec: { ...spec.job.spec, notify: RECEIVERS } } });
    now = MONTH_END + 48 * HOUR * 1_000;
    const { store } = place.platform;
    const refusing = wrapStore(store, {
      put: (key, body, options) =>
        key.startsWith(firingNewsMark(''))
          ? Promise.reject(new BatchctlError('unavailable', 'no answer'))
          : store.put(key, body, options),
    });
    await failsWith('unavailable', tick({ ...newProcess(), store: refusing }, { dryRun: false }));
  });

  it('tells people of a firing that failed', async () => {
    const told: string[] = [];
    const server = await serve((request, answer) => {
      told.push(request.method ?? '');
      answer.end();
    });
    try {
      const yaml = ONE.replace('split: { by: range, from: 1, to: 1 }', 'from: nosuch, split: { by: file }');
      const spec = {
        ...parseJobFile(yaml, { file: 'job.yaml' }),
        notify: [{ on: ['no-start'], to: server.url }] as const,
      };
      await add('b', scheduleSpec({ job: { spec, directory: place.directory } }));
      now = MONTH_END + HOUR * 1_000;
      await round();
    } finally {
      await server.close();
    }
    expect(told).to.deep.equal(['POST']);
  });

  it('keeps what an earlier round saw for the next one, although it is another process', async () => {
    const platform = newProcess();
    const since = new Date(now - 60_000).toISOString();
    const seen = {
      stood: {},
      due: {},
      short: {},
      late: { 'a-job': { is: new Date(MONTH_END).toISOString(), since } },
      tallies: null,
      leftOut: { daily: 'a left-out file' },
    };
    const mark = { id: tickId(), kind: 'tick', at: new Date(now).toISOString(), ...seen, told: {} } as const;
    await putKeeperMark(platform, mark);
    const { keeping } = await KeeperDuties.open(newProcess(), { id: tickId(), kind: 'tick', signal: NEVER });
    await keeping.writeMark(now, {});
    expect(await readKeeperMark(platform.store, tickId())).to.deep.include(seen);
  });

  it('forgets what firings of a removed schedule left out: one that is added later is another', async () => {
    const platform = newProcess();
    const seen = { stood: {}, due: {}, short: {}, late: {}, tallies: null, leftOut: { removed: 'a left-out file' } };
    const mark = { id: tickId(), kind: 'tick', at: new Date(now).toISOString(), ...seen, told: {} } as const;
    await putKeeperMark(platform, mark);
    await round();
    expect((await readKeeperMark(platform.store, tickId()))?.leftOut).to.deep.equal({});
  });

  describe('that fires a schedule whose group can get more instances', () => {
    /** The group has no instances yet, and its queue does not count messages that were sent just now. */
    const remote = (group: Partial<WorkerGroup> = {}): Platform => {
      const platform = newProcess();
      const raise = async (desired: number) => groupStatus({ desired });
      const describe = async () => groupStatus({ desired: 0 });
      const none = { visible: 0, leased: 0, delayed: 0 };
      return {
        ...platform,
        workplace: OTHER_MACHINES,
        group: async () => fakeWorkerGroup({ describe, raise, ...group }),
        queue: async (name) => withMethods(await platform.queue(name), { readCounts: async () => none }),
      };
    };
    const results = ({ raised }: TickResult) => raised.map(({ group, outcome }) => [group, outcome]);

    it('raises it for the tasks it has sent, whatever the queue counts, and then watches it', async () => {
      await add();
      now = MONTH_END;
      expect(results(await tick(remote(), { dryRun: false }))).to.deep.equal([
        ['default', 'raised'],
        ['default', 'enough'],
      ]);
    });

    it('asks no group on this machine', async () => {
      await add();
      now = MONTH_END;
      const local = { ...remote({ describe: () => expect.fail('it was asked') }), workplace: THIS_MACHINE };
      const done = await tick(local, { dryRun: false });
      expect([outcomes(done), results(done)]).to.deep.equal([['2026-11 fired'], []]);
    });

    it('reports that it could not find out whether machines stay without work, and does the rest', async () => {
      const platform: Platform = {
        ...remote(),
        notices: { notifier: { send: () => expect.fail('a notification') }, profile: [{ on: ['stays'], to: 'sns:a' }] },
        ledger: () => Promise.reject(new BatchctlError('unavailable', 'no answer')),
      };
      const done = await tick(platform, { dryRun: false });
      expect(done.troubles.map(({ about }) => about)).to.deep.equal(['workers']);
      expect(await latestKeeper(place.platform)).to.not.equal(null);
    });

    it('reports that it could not be raised', async () => {
      await add();
      now = MONTH_END;
      const platform = remote({ describe: () => Promise.reject(new BatchctlError('unavailable', 'no answer')) });
      const { keeping } = await KeeperDuties.open(platform, { id: tickId(), kind: 'tick', signal: NEVER });
      const troubles = new Troubles({}, now);
      await keeping.fire(await keeping.schedules(troubles), troubles);
      expect(troubles.all.map(({ about }) => about)).to.deep.equal(['group default']);
    });
  });

  it('leaves no mark if it was told to stop: its round is incomplete', async () => {
    await tick(newProcess(), { dryRun: false, signal: AbortSignal.abort() });
    expect(await latestKeeper(place.platform)).to.equal(null);
  });

  it('publishes metrics once a minute, although each round is another process; a failure is reported', async () => {
    let published = 0;
    let fail = (): void => undefined;
    const metrics: Platform['metrics'] = {
      put: async () => {
        published += 1;
        fail();
      },
    };
    const publish = () => tick({ ...newProcess(), metrics }, { dryRun: false });
    await publish();
    now += 30_000;
    await publish();
    expect(published).to.equal(1);
    now += 31_000;
    fail = () => {
      throw new BatchctlError('unavailable', 'no answer');
    };
    expect((await publish()).troubles.map(({ about }) => about)).to.deep.equal(['metrics']);
    now += 61_000;
    fail = () => {
      throw new TypeError('a bug');
    };
    expect(String(await rejection(publish()))).to.equal('TypeError: a bug');
    expect(published).to.equal(3);
  });

  it('names a missed firing once also in one process that runs on', async () => {
    const spec = scheduleSpec({ cadence: { kind: 'cron', pattern: '0 6 * * *' }, catchUp: 12 * HOUR });
    await add('daily', spec);
    const platform = newProcess();
    const { signal } = new AbortController();
    const { keeping } = await KeeperDuties.open(platform, { id: 'm-1', kind: 'manager', signal });
    const schedules = await keeping.schedules(new Troubles({}, now));
    const until = Date.parse('2026-11-29T17:00:00Z');
    expect(await keeping.findMissed(schedules, until)).to.have.lengthOf(2);
    expect(await keeping.findMissed(schedules, until)).to.deep.equal([]);
  });

  it('waits silently for an input as long as configured, then reports it once an hour, and fires when it arrives', async () => {
    const yaml = ONE.replace('split: { by: range, from: 1, to: 1 }', 'from: "in-{period}", split: { by: file }');
    const spec = parseJobFile(yaml, { file: 'job.yaml' });
    const job = { spec, directory: place.directory, awaitInput: 2 * HOUR };
    await add('month-end', scheduleSpec({ job }));
    now = MONTH_END + HOUR * 1_000;
    const waiting = await round();
    expect(outcomes(waiting)).to.deep.equal(['2026-11 waiting']);
    expect(waiting.troubles).to.deep.equal([]);
    const news: boolean[] = [];
    for (const minutes of [120, 121, 179, 181]) {
      now = MONTH_END + minutes * 60_000;
      const failed = await round();
      expect(outcomes(failed)).to.deep.equal(['2026-11 failed']);
      news.push(...failed.troubles.map((trouble) => trouble.news));
    }
    expect(news).to.deep.equal([true, false, false, true]);
    writeFileSync(join(place.directory, 'in-2026-11'), 'x\n');
    expect(outcomes(await round())).to.deep.equal(['2026-11 fired']);
    expect((await readKeeperMark(place.platform.store, tickId()))?.told).to.deep.equal({});
  });

  it('reports nothing of a period that another process has just fired with another program', async () => {
    await add();
    const { store } = place.platform;
    const [schedule] = await listSchedules(store, () => expect.fail('a schedule is damaged'));
    if (schedule === undefined) throw new Error('there is no schedule');
    now = MONTH_END;
    expect((await fireDue(newProcess(), [schedule])).map(({ outcome }) => outcome)).to.deep.equal(['fired']);
    const spec = parseJobFile(ONE.replace('[cat]', '[cat, -n]'), { file: 'job.yaml' });
    const other = { ...schedule, job: { ...schedule.job, spec } };
    // It listed the runs before the other process claimed the period.
    let listings = 0;
    const keys: ObjectStore['keys'] = async function* (...of) {
      listings += 1;
      if (listings > 1) yield* store.keys(...of);
    };
    const late = { ...newProcess(), store: wrapStore(store, { keys }) };
    expect(await fireDue(late, [other])).to.deep.equal([]);
  });

  it('fires nothing of a paused schedule', async () => {
    await add();
    await pauseSchedule(newProcess(), 'month-end');
    now = MONTH_END;
    expect(outcomes(await round())).to.deep.equal([]);
  });

  it("reports a schedule that it can't read, and fires the others", async () => {
    const { store } = place.platform;
    await add();
    await store.put(scheduleKey('damaged', 0), 'no JSON');
    await store.put(scheduleKey('later', 0), '{"format":99}');
    await store.put(scheduleKey('lost-fields', 0), '{"format":1,"id":"x","when":"2026-11-27","who":"x","what":"add"}');
    now = MONTH_END;
    const done = await round();
    expect(outcomes(done)).to.deep.equal(['2026-11 fired']);
    expect(done.troubles.map(({ about }) => about)).to.deep.equal([
      'schedule damaged',
      'schedule later',
      'schedule lost-fields',
    ]);
  });

  it('re-sends tasks that were missing for two leases in earlier rounds, although each round is another process', async () => {
    const view = await submitJob(place, ONE, {});
    await (await place.platform.queue('default')).purge({});
    const resends = async (): Promise<number> => (await refreshView(place.platform.store, view)).resends;
    const lease = place.platform.leaseSeconds * 1_000;
    await round();
    now += lease;
    await round();
    expect(await resends()).to.equal(0);
    now += lease + 1;
    await round();
    expect(await resends()).to.equal(1);
    const queue = await place.platform.queue('default');
    expect((await queue.backlog()).visible).to.equal(1);
  });

  it('closes a job that no other process looks at, and delivers it in a later round', async () => {
    const yaml = `${ONE}deliver: { to: out, name: "{task}.txt" }\n`;
    const view = await submitJob(place, yaml, {});
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done\n');
    const first = await round();
    expect(first.moved).to.deep.equal([{ job: view.record.job, move: 'close' }]);
    expect(stateOf(await refreshView(place.platform.store, view))).to.equal('succeeded');
    now += 60_000;
    const second = await round();
    expect(second.delivered.join()).to.include('delivered');
    expect(existsSync(join(place.directory, 'out/_SUCCESS'))).to.equal(true);
    expect(readFileSync(join(place.directory, 'out/000000000.txt'), 'utf8')).to.equal('done\n');
  });
});
