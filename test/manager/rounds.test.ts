// Protects: the manager fires schedules on time, closes and delivers jobs, and recovers when the store returns.
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import { readView } from '../../src/jobs/journal.ts';
import { addSchedule } from '../../src/jobs/schedules/schedules.ts';
import { readKeeperMark } from '../../src/jobs/watch/keeper-mark.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { Rounds } from '../../src/manager/manager.ts';
import { scheduleKey } from '../../src/model/keys.ts';
import { stateOf } from '../../src/model/view.ts';
import type { ObjectStore } from '../../src/ports/object-store.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { forEachTest } from '../support/fixture.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { until } from '../support/until.ts';
import { wrapStore } from '../support/wrap-store.ts';

const ONE = 'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';
const away = (): never => {
  throw new BatchctlError('unavailable', 'the store is away');
};

describe("a manager's rounds", () => {
  const place = forEachTest(openPlace);
  let lines: LogLine[];
  let rounds: Rounds | null;
  beforeEach(() => {
    lines = [];
    rounds = null;
  });
  afterEach(() => rounds?.stop(10_000));

  const start = (over: Partial<Platform> = {}): Rounds => {
    rounds = new Rounds({
      ...{ platform: { ...place.platform, ...over }, id: 'manager-here-1', log: (line) => lines.push(line) },
      ...{
        loopMs: 300_000,
        onHung: (error) => lines.push({ event: 'hung', level: 'warning', text: error.message, fields: {} }),
      },
    });
    rounds.start();
    return rounds;
  };
  const said = (event: string): readonly LogLine[] => lines.filter((line) => line.event === event);
  const failing = (of: Rounds): readonly string[] =>
    of.health().flatMap(({ duty, failing: why }) => (why === null ? [] : [duty]));
  /** The store; listings of one prefix fail while `broken` says so. */
  const without = (prefix: string, broken: () => boolean): ObjectStore => {
    const { store } = place.platform;
    return wrapStore(store, {
      keys: (of, options) => (broken() && of.startsWith(prefix) ? away() : store.keys(of, options)),
    });
  };

  it('fire a schedule when due, not up to a minute late', async () => {
    // The clock shows 17:59:57, until it is seen that nothing is fired, and then advances.
    const due = Date.parse('2026-11-30T18:00:00Z');
    let from: number | null = null;
    const clock = {
      now: () => due - 3_000 + (from === null ? 0 : performance.now() - from),
      monotonic: () => performance.now(),
    };
    const before = { ...place.platform, clock: { now: () => due - 86_400_000, monotonic: () => 0 } };
    await addSchedule(before, 'month-end', { spec: scheduleSpec(), code: null, replace: false });
    start({ clock });
    await until('the rounds are made', () => readKeeperMark(place.platform.store, 'manager-here-1'));
    expect(said('fired')).to.deep.equal([]);
    from = performance.now();
    await until('it is fired', () => said('fired').length > 0);
    // Schedules are read again after a minute in any case.
    expect(clock.now() - due).to.be.within(0, 45_000);
    expect(said('fired')[0]?.fields).to.include({ schedule: 'month-end', period: '2026-11' });
  });

  it("close a job that no one else watches, deliver it, and leave a manager's mark", async () => {
    const view = await submitJob(place, `${ONE}deliver: { to: out, name: "{task}.txt" }\n`, {});
    // No worker counts what it publishes here; it is found when nothing moved for two leases.
    start({ leaseSeconds: 2 });
    await until('the rounds are made', () => readKeeperMark(place.platform.store, 'manager-here-1'));
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done\n');
    const { job } = view.record;
    await until('it is closed', () => said('moved').length > 0);
    const now = await readView(place.platform.store, job);
    expect(now === null ? null : stateOf(now)).to.equal('succeeded');
    await until('it is delivered', () => said('delivered').length > 0);
    expect(await readKeeperMark(place.platform.store, 'manager-here-1')).to.include({ kind: 'manager' });
  });

  it('continue with other work during a failure, report it once, and resume it later', async () => {
    let broken = true;
    await addSchedule(place.platform, 'minutely', {
      spec: scheduleSpec({ cadence: { kind: 'cron', pattern: '* * * * *' }, catchUp: 60 }),
      ...{ code: null, replace: false },
    });
    const ahead = 61_000;
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
    const own = start({ clock, store: without('open/', () => broken) });
    await until('the schedule is fired all the same', () => said('fired').length > 0);
    await until('the look was tried again and again', () => failing(own).includes('jobs'));
    expect(failing(own)).to.deep.equal(['jobs']);
    // Only complete rounds leave a mark.
    expect(await readKeeperMark(place.platform.store, 'manager-here-1')).to.equal(null);
    broken = false;
    await until('it is done again', () => said('mended').length > 0);
    expect(said('trouble').map(({ text }) => text)).to.deep.equal(['jobs: the store is away']);
    await until('the mark is left', () => readKeeperMark(place.platform.store, 'manager-here-1'));
    expect(failing(own)).to.deep.equal([]);
  });

  it('begin once the store is available, if it was not at first', async () => {
    let broken = true;
    const { store } = place.platform;
    // Keepers are listed first.
    const list: ObjectStore['list'] = (of, options) => (broken ? away() : store.list(of, options));
    const own = start({ store: wrapStore(store, { list }) });
    await until('all duties fail', () => failing(own).length === own.health().length);
    broken = false;
    await until('the mark is left', () => readKeeperMark(store, 'manager-here-1'));
  });

  it("report a schedule that can't be read, once, and fire the others", async () => {
    const { store } = place.platform;
    await store.put(scheduleKey('damaged', 0), 'no JSON');
    const past = { ...place.platform, clock: { now: () => Date.now() - 120_000, monotonic: () => 0 } };
    const spec = scheduleSpec({ cadence: { kind: 'cron', pattern: '* * * * *' }, catchUp: 3_600 });
    await addSchedule(past, 'minutely', { spec, code: null, replace: false });
    const own = start();
    await until('the others are fired', () => said('fired').length > 0);
    own.nudge();
    await until('the mark is left', () => readKeeperMark(store, 'manager-here-1'));
    const told = said('trouble').filter(({ fields }) => fields.about === 'schedule damaged');
    expect(told).to.have.length(1);
    // A later process knows what was reported.
    await own.stop(10_000);
    lines = [];
    start();
    await until('a duty is done', () => rounds?.health().find(({ duty }) => duty === 'schedules')?.done);
    expect(said('trouble')).to.deep.equal([]);
  });

  it('act at once after a change', async () => {
    // Elsewhere a look costs money; with nothing open, it happens every 15 s.
    let looks = 0;
    const { store } = place.platform;
    const keys: ObjectStore['keys'] = (of, options) => {
      if (of === 'open/') looks += 1;
      return store.keys(of, options);
    };
    const own = start({ remote: true, groups: [], store: wrapStore(store, { keys }) });
    await until('it looked', () => own.health().find(({ duty }) => duty === 'jobs')?.done);
    const before = looks;
    own.nudge();
    await until('it looks again', () => looks > before, 14_000);
  });

  it('stop at once, and finish what they are doing', async () => {
    const own = start();
    await until('a duty is done', () => own.health().some(({ done }) => done !== null));
    const began = performance.now();
    await own.stop(120_000);
    expect(performance.now() - began).to.be.below(60_000);
    const marks = lines.length;
    own.nudge();
    expect(lines).to.have.length(marks);
  });
});
