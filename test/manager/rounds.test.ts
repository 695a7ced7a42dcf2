// Protects: the manager fires schedules on time, closes and delivers jobs, and recovers when the store returns.

import { expect } from 'chai';
import { requireView } from '../../src/jobs/journal.ts';
import { readKeeperMark } from '../../src/jobs/keeper-mark.ts';
import type { LogLine } from '../../src/manager/log.ts';
import type { Rounds } from '../../src/manager/manager.ts';
import { scheduleKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import { OTHER_MACHINES } from '../../src/platform/other-machines.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { HeldTime } from '../support/held-time.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { addTestSchedule, failUnavailable, inThePast, MINUTELY, testRounds } from './rounds-lab.ts';

const ONE = 'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';
const ID = 'manager-here-1';

describe("a manager's rounds", () => {
  const place = forEachTest(openPlace);
  let lines: LogLine[];
  let rounds: Rounds | null;
  beforeEach(() => {
    lines = [];
    rounds = null;
  });
  afterEach(() => rounds?.stop(10_000));

  const start = (changed: Partial<Platform> = {}): Rounds => {
    rounds = testRounds({ ...place.platform, ...changed }, lines);
    rounds.start();
    return rounds;
  };
  const linesOf = (event: string): readonly LogLine[] => lines.filter((line) => line.event === event);
  const untilLogged = (event: string) => until(`${event} is logged`, () => linesOf(event).length > 0);
  const markOf = () => readKeeperMark(place.platform.store, ID);
  const untilMarked = () => until('complete rounds leave a mark', markOf);
  const failing = (of: Rounds): readonly string[] =>
    of.health().flatMap(({ duty, failing: why }) => (why === null ? [] : [duty]));
  const lastRun = (of: Rounds, name: string) => of.health().find(({ duty }) => duty === name)?.done;

  it('fire a schedule when due, not up to a minute late', async () => {
    const due = Date.parse('2026-11-30T18:00:00Z');
    await addTestSchedule({ ...place.platform, clock: new FakeClock(due - 86_400_000) }, 'month-end');
    const time = new HeldTime();
    try {
      // The wall clock shows 17:59:57 until the first rounds are complete.
      let began: number | null = null;
      const now = () => due - 3_000 + (began === null ? 0 : time.now() - began);
      start({ clock: { now, monotonic: () => time.now() } });
      await until('complete rounds leave a mark', async () => {
        await time.pass(50);
        return markOf();
      });
      expect(linesOf('fired')).to.deep.equal([]);
      began = time.now();
      // Far less than the minute after which schedules are read in any case.
      await time.pass(4_000);
      await untilLogged('fired');
    } finally {
      time.release();
    }
    expect(linesOf('fired')[0]?.fields).to.include({ schedule: 'month-end', period: '2026-11' });
  });

  it("close a job that no one else watches, deliver it, and leave a manager's mark", async () => {
    const view = await submitJob(place, `${ONE}deliver: { to: out, name: "{task}.txt" }\n`, {});
    // No worker counts this output; the rounds find it after two leases without a change.
    start({ leaseSeconds: 2 });
    await untilMarked();
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done\n');
    const { job } = view.record;
    await untilLogged('moved');
    expect(stateOf(await requireView(place.platform.store, job))).to.equal('succeeded');
    await untilLogged('delivered');
    expect(await markOf()).to.include({ kind: 'manager' });
  });

  it('continue with other work during a failure, report it once, and resume it later', async () => {
    let isBroken = true;
    await addTestSchedule(place.platform, 'minutely', { ...MINUTELY, catchUp: 60 });
    const clock = { now: () => Date.now() + 61_000, monotonic: () => performance.now() };
    const { store } = place.platform;
    const keys: ObjectStore['keys'] = (prefix, options) =>
      isBroken && prefix.startsWith('open/') ? failUnavailable() : store.keys(prefix, options);
    const own = start({ clock, store: wrapStore(store, { keys }) });
    await untilLogged('fired');
    await until('the jobs can not be read', () => failing(own).includes('jobs'));
    expect(failing(own)).to.deep.equal(['jobs']);
    expect(await markOf(), 'only complete rounds leave a mark').to.equal(null);
    isBroken = false;
    await untilLogged('recovered');
    expect(linesOf('trouble').map(({ text }) => text)).to.deep.equal(['jobs: the store is away']);
    await untilMarked();
    expect(failing(own)).to.deep.equal([]);
  });

  it('begin once the store is available, if it was not at first', async () => {
    let isBroken = true;
    const { store } = place.platform;
    // Every duty lists the keepers first.
    const list: ObjectStore['list'] = (prefix, options) => (isBroken ? failUnavailable() : store.list(prefix, options));
    const own = start({ store: wrapStore(store, { list }) });
    await until('all duties fail', () => failing(own).length === own.health().length);
    isBroken = false;
    await untilMarked();
  });

  it("report a schedule that can't be read, once, and fire the others", async () => {
    await place.platform.store.put(scheduleKey('damaged', 0), 'no JSON');
    await addTestSchedule(inThePast(place.platform, 120_000), 'minutely', MINUTELY);
    const own = start();
    await untilLogged('fired');
    own.nudge();
    await untilMarked();
    expect(linesOf('trouble').filter(({ fields }) => fields.about === 'schedule damaged')).to.have.length(1);
    // A later process knows which troubles were reported.
    await own.stop(10_000);
    lines = [];
    const later = start();
    await until('the schedules are read', () => lastRun(later, 'schedules'));
    expect(linesOf('trouble')).to.deep.equal([]);
  });

  describe('with timers held', () => {
    const time = forEachTest(() => new HeldTime());

    it('act soon after a change', async () => {
      let looks = 0;
      const { store } = place.platform;
      const keys: ObjectStore['keys'] = (prefix, options) => {
        if (prefix === 'open/') looks += 1;
        return store.keys(prefix, options);
      };
      const own = start({ workplace: OTHER_MACHINES, groups: [], store: wrapStore(store, { keys }) });
      await until('the jobs are looked at', () => lastRun(own, 'jobs'));
      const before = looks;
      own.nudge();
      // A duty rests for 200 ms after a change, and otherwise for 15 s.
      await time.pass(250);
      await until('the jobs are looked at again', () => looks > before);
    });

    it('stop at once, and finish what they are doing', async () => {
      const own = start();
      await until('a duty is done', () => own.health().some(({ done }) => done !== null));
      await own.stop(120_000);
      const count = lines.length;
      own.nudge();
      expect(lines).to.have.length(count);
    });
  });
});
