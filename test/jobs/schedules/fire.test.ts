// Protects: a period runs once, whoever fires it and with whichever program; its inputs are its own; missed ones are named newest.
import { expect } from 'chai';
import { fire, fireDue, missedFirings, requestOf } from '../../../src/jobs/schedules/fire.ts';
import { addSchedule } from '../../../src/jobs/schedules/schedules.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import type { Schedule } from '../../../src/model/schedule.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { scheduleSpec } from '../../support/schedules.ts';
import { wrapStore } from '../../support/wrap-store.ts';
import { openPlace } from '../published-job.ts';

const ADDED = Date.parse('2026-11-27T00:00:00Z');
const DUE = Date.parse('2026-11-30T18:00:30Z');

describe('a firing of a schedule', () => {
  const place = forEachTest(openPlace);
  const at = (now: number) => ({ ...place.platform, clock: new FakeClock(now) });
  async function add(spec = scheduleSpec()): Promise<Schedule> {
    const { schedule } = await addSchedule(at(ADDED), 'month-end', { spec, code: null, replace: false });
    if (schedule === null) throw new Error('it was not added');
    return schedule;
  }

  it('is no failure if another process fired the period with another program after the look', async () => {
    const schedule = await add();
    const spec = parseJobFile(
      'name: claims\ninput: { split: { by: range, from: 1, to: 1 } }\nsteps: [{ name: price, run: [tac] }]\n',
      { file: 'job.yaml' },
    );
    const other: Schedule = { ...schedule, job: { ...schedule.job, spec } };
    const firing = { period: '2026-11', at: Date.parse('2026-11-30T18:00:00Z') };
    await fire(at(DUE), other, firing, {});
    // A listing from before that: only the one of all periods has an end.
    const keys: typeof place.platform.store.keys = (prefix, options) =>
      options?.to === undefined ? place.platform.store.keys(prefix, options) : (async function* () {})();
    const late = { ...at(DUE), store: wrapStore(place.platform.store, { keys }) };
    expect(await fireDue(late, [schedule])).to.deep.equal([]);
  });

  it('has its period in the names of its inputs', async () => {
    const { job } = scheduleSpec({ job: { inputs: ['claims-{period}.csv'] } });
    const { inputs, runKey } = requestOf({ name: 's', job, zone: 'UTC' }, { period: '2026-11', at: DUE }, null);
    expect([inputs, runKey]).to.deep.equal([['claims-2026-11.csv'], 's@2026-11']);
  });

  it('that was missed is named with the newest others, up to a limit', async () => {
    const schedule = await add(scheduleSpec({ cadence: { kind: 'cron', pattern: '0 * * * *' }, catchUp: 3_600 }));
    const range = { from: ADDED, until: DUE, most: 2 };
    const missed = await missedFirings(place.platform, [schedule], range);
    expect(missed.map(({ firing }) => firing.period)).to.deep.equal(['2026-11-30T16:00', '2026-11-30T17:00']);
  });
});
