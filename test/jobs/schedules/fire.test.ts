// Protects: a period runs once, whoever fires it and with whichever program; its inputs are its own; missed ones are named newest.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  findRanPeriods,
  fire,
  fireDue,
  type HeldUp,
  missedFirings,
  requestOf,
} from '../../../src/jobs/schedules/fire.ts';
import { HeldFirings, holdOf } from '../../../src/jobs/schedules/held-firings.ts';
import { addSchedule } from '../../../src/jobs/schedules/schedules.ts';
import { parseJobFile } from '../../../src/jobs/spec/job-file.ts';
import { codeKey } from '../../../src/model/keys.ts';
import type { Schedule } from '../../../src/model/schedule.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { forEachTest } from '../../support/fixture.ts';
import { scheduleSpec } from '../../support/schedules.ts';
import { keysBelow } from '../../support/stored.ts';
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
    const held = new HeldFirings<HeldUp>();
    const round = () => fireDue({ ...at(DUE), store: wrapStore(store, { read }) }, [schedule], { held });
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

  it('is not held up by more than a hundred earlier ones whose inputs are missing', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: "{period}.csv" }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const cadence = { kind: 'cron', pattern: '* * * * *' } as const;
    const schedule = await add(scheduleSpec({ cadence, catchUp: 7_200, job: { spec, directory: place.directory } }));
    writeFileSync(join(place.directory, '2026-11-30T18:00.csv'), 'one\n');
    const held = new HeldFirings<HeldUp>();
    const results = await fireDue(at(DUE), [schedule], { held });
    const fired = results.filter(({ outcome }) => outcome === 'fired');
    expect([results.length, fired.map(({ period }) => period)]).to.deep.equal([101, ['2026-11-30T18:00']]);
    expect(await fireDue(at(DUE), [schedule], { held })).to.have.length(100);
  });

  it('reads the program once a round, however many periods wait for their inputs', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: "{period}.csv" }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const cadence = { kind: 'cron', pattern: '* * * * *' } as const;
    const code = '0'.repeat(64);
    const { store } = place.platform;
    await store.put(codeKey(code), 'files');
    const job = { spec, code, directory: place.directory };
    const schedule = await add(scheduleSpec({ cadence, catchUp: 7_200, job }));
    const reads: string[] = [];
    const read: typeof store.read = (key, options) => {
      reads.push(key);
      return store.read(key, options);
    };
    const results = await fireDue({ ...at(DUE), store: wrapStore(store, { read }) }, [schedule]);
    expect(results.filter(({ outcome }) => outcome === 'failed')).to.have.length(100);
    expect(reads).to.deep.equal([codeKey(code)]);
  });

  it('whose inputs are missing costs no request in most rounds, and starts a tenth of its wait later at most', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: "{period}.csv" }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const cadence = { kind: 'cron', pattern: '0 * * * *' } as const;
    const schedule = await add(scheduleSpec({ cadence, catchUp: 86_400, job: { spec, directory: place.directory } }));
    const { store } = place.platform;
    let lists = 0;
    const keys: typeof store.keys = (prefix, options) => {
      lists += 1;
      return store.keys(prefix, options);
    };
    const held = new HeldFirings<HeldUp>();
    const round = (now: number) => fireDue({ ...at(now), store: wrapStore(store, { keys }) }, [schedule], { held });
    const first = await round(DUE);
    expect(first.map(({ outcome }) => outcome)).to.deep.equal(Array(24).fill('failed'));
    const outcomes = (results: Awaited<ReturnType<typeof round>>) =>
      results.map(({ period, outcome }) => `${period} ${outcome}`);
    lists = 0;
    // The one of this moment is looked for each time; the others are reported as before.
    for (let minute = 1; minute <= 5; minute += 1)
      expect(outcomes(await round(DUE + minute * 60_000))).to.deep.equal(outcomes(first));
    expect(lists).to.equal(5);
    writeFileSync(join(place.directory, '2026-11-30T12:00.csv'), 'one\n');
    const fired = async (now: number) =>
      (await round(now)).flatMap((each) => (each.outcome === 'fired' ? each.period : []));
    expect(await fired(DUE + 14.9 * 60_000)).to.deep.equal([]);
    expect(await fired(DUE + 15.1 * 60_000)).to.deep.equal(['2026-11-30T12:00']);
  });

  it('whose inputs are missing is looked for at once if its schedule changes, or the clock is set back', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: a.csv }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const schedule = await add(scheduleSpec({ job: { spec, directory: place.directory } }));
    const held = new HeldFirings<HeldUp>();
    const round = async (now: number, of = schedule) =>
      (await fireDue(at(now), [of], { held })).map(({ outcome }) => outcome);
    const late = DUE + 3_600_000;
    expect(await round(late)).to.deep.equal(['failed']);
    writeFileSync(join(place.directory, 'a.csv'), 'one\n');
    expect(await round(late + 1_000)).to.deep.equal(['failed']);
    const [planned] = await fireDue(at(late + 1_000), [schedule], { held, dryRun: true });
    expect(planned).to.include({ outcome: 'due' });
    const changed = { ...schedule, when: new Date(late).toISOString() };
    expect(await round(late - 1_000)).to.deep.equal(['fired']);
    expect(await round(late + 1_000, changed)).to.deep.equal([]);
  });

  it('is looked for each round while its input is written, and shortly before its catch-up ends', () => {
    const firing = { period: 'p', at: 0 };
    const job = { ...scheduleSpec().job, awaitInput: 3_600 };
    const of = (minutes: number) => holdOf({ catchUp: 86_400, job }, firing, minutes * 60_000) / 60_000;
    expect([0, 10, 50, 59, 60, 120, 300].map(of)).to.deep.equal([0, 1, 5, 1, 6, 12, 15]);
    expect([23 * 60, 23.5 * 60 - 1, 23.5 * 60, 24 * 60].map(of)).to.deep.equal([15, 15, 0, 0]);
  });

  it('waits for the rest of its inputs, and fails once that took too long', async () => {
    const spec = parseJobFile('name: claims\ninput: { from: "*.csv" }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const directory = place.directory;
    const schedule = await add(scheduleSpec({ job: { spec, directory, awaitInput: 60, expectInputs: 2 } }));
    writeFileSync(join(directory, 'a.csv'), 'one\n');
    const outcomes = async (now: number) => (await fireDue(at(now), [schedule])).map(({ outcome }) => outcome);
    expect(await outcomes(DUE)).to.deep.equal(['waiting']);
    expect(await outcomes(DUE + 30_000)).to.deep.equal(['failed']);
    writeFileSync(join(directory, 'b.csv'), 'two\n');
    expect(await outcomes(DUE + 30_000)).to.deep.equal(['fired']);
  });

  it('is looked up once: those that ran are not due again, and need no listing', async () => {
    const schedule = await add(scheduleSpec({ cadence: { kind: 'cron', pattern: '0 * * * *' }, catchUp: 3 * 3_600 }));
    const firings = await fireDue(at(DUE), [schedule], { dryRun: true });
    const [first, second, third] = firings;
    if (first === undefined || second === undefined || third === undefined) throw new Error('too few are due');
    for (const firing of [third, first]) await fire(at(DUE), schedule, firing, {});
    const ran = await findRanPeriods(place.platform.store, schedule, firings);
    expect([...ran].sort()).to.deep.equal([first.period, third.period]);
    expect(await fireDue(at(DUE), [schedule], { dryRun: true })).to.deep.equal([second]);

    let listings = 0;
    const keys: typeof place.platform.store.keys = (...of) => {
      listings += 1;
      return place.platform.store.keys(...of);
    };
    const counting = { ...at(DUE), store: wrapStore(place.platform.store, { keys }) };
    const known = new Map<string, ReadonlySet<string>>();
    const round = async () => {
      listings = 0;
      const due = await fireDue(counting, [schedule], { ran: known, dryRun: true });
      return [due.length, listings];
    };
    expect(await round()).to.deep.equal([1, 1]);
    await fire(at(DUE), schedule, second, {});
    const rounds = [await round(), await round(), await round()];
    expect(rounds).to.deep.equal([
      [0, 1],
      [0, 0],
      [0, 0],
    ]);
  });

  it('stops at a signal: what it began is no failure', async () => {
    const spec = parseJobFile(
      'name: claims\ninput: { from: a.csv, split: { by: lines, every: 1 } }\nsteps: [{ name: price, run: [cat] }]\n',
      { file: 'job.yaml' },
    );
    writeFileSync(join(place.directory, 'a.csv'), 'one\n');
    const schedule = await add(scheduleSpec({ job: { spec, directory: place.directory } }));
    expect(await fireDue(at(DUE), [schedule], { dryRun: true, signal: AbortSignal.abort() })).to.deep.equal([]);
    const stop = new AbortController();
    expect(await fireDue(at(DUE), [schedule], { signal: stop.signal, passed: () => stop.abort() })).to.deep.equal([]);
    expect(await keysBelow(place.platform.store, 'runs/')).to.deep.equal([]);
  });

  it('fails if its program is gone, and says how to store it again', async () => {
    const schedule = await add(scheduleSpec({ job: { code: '1'.repeat(64) } }));
    const held = new HeldFirings<HeldUp>();
    const [failed] = await fireDue(at(DUE), [schedule], { held });
    expect(failed).to.have.nested.property('error.kind', 'corrupt');
    expect(failed).to.have.nested.property(
      'error.hint',
      'store it again with batchctl schedule add month-end job.yaml ... --replace',
    );
    // No input is missing, so the next round tries again.
    await place.platform.store.put(codeKey('1'.repeat(64)), 'files');
    const [next] = await fireDue(at(DUE), [schedule], { held });
    expect(next?.outcome).to.equal('fired');
  });

  it("has the schedule's parameters, deadline and permissions", () => {
    const spec = parseJobFile('name: claims\nparams: { region: EU, kind: a }\nsteps: [{ name: price, run: [cat] }]\n', {
      file: 'job.yaml',
    });
    const finishBy = { kind: 'after', seconds: 3_600 } as const;
    const inputs = ['{region}-{kind}.csv'];
    const { job } = scheduleSpec({ job: { spec, inputs, params: { region: 'US' }, finishBy, allowIncomplete: true } });
    const request = requestOf({ name: 's', job, zone: 'UTC' }, { period: '2026-11', at: DUE }, null);
    expect(request).to.deep.include({
      inputs: ['US-a.csv'],
      finishBy: '2026-11-30T19:00:30.000Z',
      allowIncomplete: true,
      period: '2026-11',
    });
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
