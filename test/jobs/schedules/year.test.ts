// Protects: a schedule runs each period of a year exactly once, whatever the clocks of its hosts show.

import { expect } from 'chai';
import { fire, fireDue } from '../../../src/jobs/schedules/fire.ts';
import { addSchedule, listSchedules, requireSchedule } from '../../../src/jobs/schedules/schedules.ts';
import { seededRandom } from '../../../src/model/forecast/section.ts';
import { firingsBetween } from '../../../src/model/schedule-times.ts';
import type { Platform } from '../../../src/ports/platform.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forSuite } from '../../support/fixture.ts';
import { claimedRuns, fail, jobCount, runKeysOf, scheduleSpec, YEAR, YEAR_SCHEDULES } from '../../support/schedules.ts';
import { openPlace } from '../published-job.ts';
import { openAgain } from '../submitted-job.ts';

describe('a year of schedules', () => {
  const place = forSuite(openPlace);
  const other = forSuite(() => openAgain(place.directory));

  it('runs each period exactly once with two hosts and a person who fire late, early and at once', async () => {
    const roll = seededRandom(7);
    const clock = new FakeClock(YEAR.from);
    // The second host's clock is ahead.
    const ahead = { now: () => clock.now() + 90_000, monotonic: () => clock.monotonic() };
    const hosts = [
      { ...place.platform, clock },
      { ...other, clock: ahead },
    ] as const;
    for (const [name, cadence] of Object.entries(YEAR_SCHEDULES)) {
      const spec = scheduleSpec({ cadence, zone: 'Europe/London' });
      await addSchedule(hosts[0], name, { spec, code: null, replace: false });
    }
    let reported = 0;
    let byHand = 0;
    while (clock.now() < YEAR.until) {
      // Less than a day each time, because catch-up lasts a day.
      clock.pass(Math.min(23.9 * 3_600, 3_600 + roll() * 30 * 3_600));
      const rounds = hosts.filter(() => roll() < 0.9);
      const ticks = (rounds.length === 0 ? hosts : rounds).map(async (host) =>
        fireDue(host, await listSchedules(host.store, fail)),
      );
      const person = roll() < 0.15 ? runByHand(hosts[0], roll) : Promise.resolve(false);
      const fired = (await Promise.all(ticks)).flat();
      for (const each of fired) expect(each.outcome, `${each.schedule} ${each.period}`).to.equal('fired');
      reported += fired.length;
      if (await person) byHand += 1;
    }
    const schedules = await listSchedules(hosts[0].store, fail);
    const expected = schedules.flatMap((schedule) => runKeysOf(schedule, YEAR.from, clock.now()));
    const found = await claimedRuns(hosts[0]);
    // A person may have run the next periods early at the end of the year.
    const early = schedules.flatMap((schedule) => runKeysOf(schedule, clock.now(), clock.now() + 40 * 86_400_000));
    expect(found.filter((key) => !early.includes(key))).to.deep.equal(expected.sort());
    expect(reported + byHand, 'each is reported by the process that fired it').to.equal(found.length);
    expect(byHand).to.be.greaterThan(5);
    expect(await jobCount(hosts[0]), 'no process leaves another job').to.equal(found.length);
    expect(expected.length).to.be.greaterThan(130);
  });
});

/** Runs a recent or coming period of some schedule; returns true if it had not run. */
async function runByHand(platform: Platform, roll: () => number): Promise<boolean> {
  const names = Object.keys(YEAR_SCHEDULES);
  const schedule = await requireSchedule(platform.store, names[Math.floor(roll() * names.length)] ?? '');
  const now = platform.clock.now();
  const near = firingsBetween(schedule, Math.max(YEAR.from, now - 86_400_000), now + 7 * 86_400_000);
  const firing = near[Math.floor(roll() * near.length)];
  if (firing === undefined) return false;
  return (await fire(platform, schedule, firing, { mode: 'new' })).created;
}
