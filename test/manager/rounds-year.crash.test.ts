// Protects: two managers and cron together run each scheduled period exactly once, even when one dies.

import { expect } from 'chai';
import { readView } from '../../src/jobs/journal.ts';
import { listSchedules } from '../../src/jobs/schedules/schedules.ts';
import { tick } from '../../src/jobs/tick.ts';
import type { LogLine } from '../../src/manager/log.ts';
import { seededRandom } from '../../src/model/forecast/section.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { openPlace, publishSmall } from '../jobs/published-job.ts';
import { openAgain } from '../jobs/submitted-job.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { forSuite } from '../support/fixture.ts';
import { claimedRuns, fail, jobCount, runKeysOf, YEAR, YEAR_SCHEDULES } from '../support/schedules.ts';
import { addTestSchedule, testDuties } from './rounds-lab.ts';

describe('a year of managers', () => {
  const place = forSuite(openPlace);
  const others: Platform[] = [];
  before(async () => {
    for (let host = 0; host < 2; host += 1) others.push(await openAgain(place.directory));
  });
  after(async () => {
    for (const other of others) await other.close();
  });

  it('two managers and a tick with different clocks run each period exactly once, whichever dies', async () => {
    const roll = seededRandom(11);
    const clock = new FakeClock(YEAR.from);
    const ahead = (ms: number) => ({ now: () => clock.now() + ms, monotonic: () => clock.monotonic() });
    const [one, two, cron] = [place.platform, ...others].map((platform, host) => ({
      ...(platform as Platform),
      clock: ahead(host * 45_000),
    })) as [Platform, Platform, Platform];
    for (const [name, cadence] of Object.entries(YEAR_SCHEDULES)) {
      await addTestSchedule(one, name, { cadence, zone: 'Europe/London' });
    }
    const lines: LogLine[] = [];
    const start = (platform: Platform, id: string) => testDuties(platform, lines, { id });
    const managers = [start(one, 'manager-one'), start(two, 'manager-two')];
    const fired: string[] = [];
    /** Publishes the output of each job, as a worker would: the next round closes it. */
    const work = async (jobs: readonly string[]): Promise<void> => {
      for (const job of jobs) {
        const view = await readView(one.store, job);
        if (view !== null) await publishSmall({ platform: one, view }, 'price', 0, 'done\n');
      }
      fired.push(...jobs);
    };
    let deaths = 0;
    while (clock.now() < YEAR.until) {
      // Always less than a day: missed periods are caught up within a day.
      clock.pass(Math.min(23.9 * 3_600, 3_600 + roll() * 30 * 3_600));
      const at = Math.floor(roll() * 10);
      if (at < 2) {
        // Killed and restarted: its memory is lost.
        managers[at] = start(at === 0 ? one : two, `manager-${at === 0 ? 'one' : 'two'}`);
        deaths += 1;
      }
      const awake = managers.filter(() => roll() < 0.9);
      const ticked = roll() < 0.5 || awake.length === 0 ? tick(cron, { dryRun: false }) : null;
      await Promise.all(
        awake.map(async (manager) => {
          for (const name of ['schedules', 'mark', 'jobs', 'mark'] as const) await manager.all.get(name)?.run();
          await manager.idle();
        }),
      );
      const byTick = (await ticked)?.fired ?? [];
      for (const each of byTick) expect(each.outcome, `${each.schedule} ${each.period}`).to.equal('fired');
      const logged = lines.splice(0);
      const warnings = logged.filter(({ level }) => level === 'warning');
      expect(warnings, JSON.stringify(logged)).to.deep.equal([]);
      await work([
        ...logged.flatMap(({ event, fields }) => (event === 'fired' ? [String(fields.job)] : [])),
        ...byTick.flatMap((each) => (each.outcome === 'fired' ? [each.view.record.job] : [])),
      ]);
    }
    const schedules = await listSchedules(one.store, fail);
    // The clock that is furthest ahead decided what was due.
    const expected = schedules.flatMap((schedule) => runKeysOf(schedule, YEAR.from, cron.clock.now()));
    expect(await claimedRuns(one)).to.deep.equal(expected.sort());
    expect(fired.length, 'each job is reported once, by the manager or tick that fired it').to.equal(expected.length);
    expect(await jobCount(one), 'a manager that was late leaves nothing').to.equal(expected.length);
    expect(expected.length).to.be.greaterThan(130);
    expect(deaths).to.be.greaterThan(20);
  });
});
