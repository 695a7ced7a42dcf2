// Protects: a period runs once, whoever fires it and with whichever program; its inputs are its own; missed ones are named newest.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fire, fireDue, missedFirings, requestOf } from '../../../src/jobs/schedules/fire.ts';
import { addSchedule } from '../../../src/jobs/schedules/schedules.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { codeKey } from '../../../src/model/keys.ts';
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

  it('waits as long as its input is being written, and takes the whole one', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: a.csv }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const { store } = place.platform;
    const code = '0'.repeat(64);
    await store.put(codeKey(code), 'files');
    const schedule = await add(scheduleSpec({ job: { spec, code, directory: place.directory, awaitInput: 3_600 } }));
    const input = join(place.directory, 'a.csv');
    writeFileSync(input, 'one\n');
    // Both looks at the input begin with the program: the second one comes after another line was written.
    let looks = 0;
    const read: typeof store.read = async (key, options) => {
      if (key === codeKey(code)) looks += 1;
      if (key === codeKey(code) && looks === 2) appendFileSync(input, 'two\n');
      return store.read(key, options);
    };
    const round = () => fireDue({ ...at(DUE), store: wrapStore(store, { read }) }, [schedule]);
    const [waiting] = await round();
    expect(waiting).to.include({ outcome: 'waiting', why: 'the input is being written' });
    const [fired] = await round();
    expect(fired).to.have.nested.property('view.record.inputs[0].size', 8);
  });

  it('is one of at most a hundred a round, the oldest first', async () => {
    const schedule = await add(scheduleSpec({ cadence: { kind: 'cron', pattern: '* * * * *' }, catchUp: 3 * 3_600 }));
    const due = await fireDue(at(DUE), [schedule], { dryRun: true });
    expect(due.map(({ period }) => period.slice(-5))).to.deep.equal(
      Array.from({ length: 100 }, (_, n) =>
        new Date(DUE - 3 * 3_600_000 + (n + 1) * 60_000).toISOString().slice(11, 16),
      ),
    );
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
