// Protects: a manager's duties say what they could not do, once and in its place, and mark only rounds that were whole.
import { expect } from 'chai';
import { readKeeperMark } from '../../src/jobs/keeper-mark.ts';
import { addSchedule, removeSchedule } from '../../src/jobs/schedules/schedules.ts';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import type { DutiesOptions, DutyName } from '../../src/manager/duties.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { scheduleKey } from '../../src/model/keys.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { submitJob } from '../jobs/submitted-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forEachTest } from '../support/fixture.ts';
import { rejection } from '../support/rejection.ts';
import { scheduleSpec } from '../support/schedules.ts';
import { wrapStore } from '../support/wrap-store.ts';
import { addTestSchedule, failUnavailable, testDuties } from './rounds-lab.ts';

const ONE = 'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [cat] }]\n';
const ADDED = Date.parse('2026-11-27T00:00:00Z');
const MONTH_END = Date.parse('2026-11-30T18:00:00Z');

describe("a manager's duties", () => {
  const place = forEachTest(openPlace);
  const clock = forEachTest(() => new FakeClock(MONTH_END));
  let lines: LogLine[];
  beforeEach(() => {
    lines = [];
  });

  const earlier = (): Platform => ({ ...place.platform, clock: new FakeClock(ADDED) });
  const open = (changed: Partial<Platform> = {}, options: Partial<DutiesOptions> = {}) => {
    const duties = testDuties({ ...place.platform, clock, ...changed }, lines, options);
    const { all } = duties;
    const duty = (name: DutyName) => all.get(name) ?? expect.fail(`there is no duty ${name}`);
    return { duty, run: (name: DutyName) => duty(name).run(), idle: () => duties.idle() };
  };

  it('report once that the store can not be opened', async () => {
    const { store } = place.platform;
    const jobs = open({ store: wrapStore(store, { list: failUnavailable }) }).duty('jobs');
    for (let n = 0; n < 2; n += 1) jobs.onTrouble(await rejection(jobs.run()));
    expect(lines.map(({ event, text }) => [event, text])).to.deep.equal([['trouble', 'jobs: the store is away']]);
  });

  it('show troubles of schedules and their firings as theirs alone, until the schedule is removed', async () => {
    const yaml = ONE.replace('split: { by: range, from: 1, to: 1 }', 'from: nosuch, split: { by: file }');
    const job = { spec: parseJobFile(yaml, { file: 'job.yaml' }), directory: place.directory };
    await addSchedule(earlier(), 'failing', { spec: scheduleSpec({ job }), code: null, replace: false });
    await place.platform.store.put(scheduleKey('damaged', 0), 'no JSON');
    const { duty, run, idle } = open();
    const troubles = (name: DutyName) =>
      duty(name)
        .troubles()
        .map((text) => text.split(':')[0]);
    await run('schedules');
    await run('jobs');
    await idle();
    expect(troubles('schedules')).to.deep.equal(['schedule damaged', 'schedule failing, 2026-11']);
    expect(troubles('jobs')).to.deep.equal([]);
    await removeSchedule(place.platform, 'failing');
    await run('schedules');
    await idle();
    expect(troubles('schedules')).to.deep.equal(['schedule damaged']);
  });

  it('log a firing that no process made in time, once', async () => {
    await addTestSchedule(earlier(), 'month-end');
    clock.pass(48 * 3_600);
    const { run, idle } = open();
    for (let n = 0; n < 2; n += 1) await run('schedules');
    await idle();
    expect(lines.map(({ event, fields }) => [event, fields.schedule])).to.deep.equal([['missed', 'month-end']]);
  });

  it('look at the jobs soon after a firing made one', async () => {
    const nudged: DutyName[] = [];
    await addTestSchedule(earlier(), 'month-end');
    const { run, idle } = open({}, { nudge: (name) => nudged.push(name) });
    for (let n = 0; n < 2; n += 1) {
      await run('schedules');
      await idle();
    }
    expect(nudged).to.deep.equal(['jobs']);
  });

  it('look at deliveries soon after a job was closed, often while one is to be made, and else once a minute', async () => {
    const nudged: DutyName[] = [];
    const { run, idle } = open({}, { nudge: (name) => nudged.push(name) });
    expect(await run('deliveries')).to.equal(60_000);
    const view = await submitJob(place, `${ONE}deliver: { to: out, name: "{task}.txt" }\n`, {});
    await publishSmall({ platform: place.platform, view }, 'price', 0, 'done\n');
    await run('jobs');
    expect(nudged).to.deep.equal(['deliveries']);
    expect(await run('deliveries')).to.equal(1_000);
    await idle();
  });

  it('mark a round as begun when the first of its parts began, and once', async () => {
    const { run } = open();
    const at = async () => (await readKeeperMark(place.platform.store, 'manager-here-1'))?.at;
    for (const names of [['schedules', 'jobs'] as const, ['jobs', 'schedules'] as const]) {
      const began = new Date(clock.now()).toISOString();
      for (const name of names) {
        await run(name);
        clock.pass(10);
      }
      expect(await run('mark')).to.equal(60_000);
      expect(await at(), names.join()).to.equal(began);
      expect(await run('mark'), 'nothing has run since').to.equal(500);
      await run(names[0]);
      expect(await run('mark'), 'half a round').to.equal(500);
      expect(await at(), names.join()).to.equal(began);
      await run(names[1]);
      await run('mark');
    }
  });
});
