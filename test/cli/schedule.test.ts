// Protects: scheduled jobs fire once per period at the right time, and missed or failing ones are reported.

import { existsSync, rmSync } from 'node:fs';
import { expect } from 'chai';
import { tickId } from '../../src/jobs/keeper-mark.ts';
import { forEachTest } from '../support/fixture.ts';
import { parseJsonLines } from '../support/json-lines.ts';
import { movedClock } from '../support/moved-clock.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const NOON = '2026-11-27T12:00:00Z';
/** Seconds between the schedule's time and `DUE`. */
const SECONDS_LATE = 20;
const DUE = `2026-11-30T18:00:${SECONDS_LATE}Z`;
const MONTH_END = ['month-end', 'job.json', '--calendar', 'last-business-day', '--tz', 'Europe/London'];

interface Answer {
  readonly [field: string]: unknown;
  readonly job: string | null;
  readonly created: boolean;
  readonly changed: boolean;
  readonly fired: readonly { readonly schedule: string; readonly period: string; readonly job: string }[];
  readonly troubles: readonly { readonly about: string; readonly kind: string; readonly news: boolean }[];
}

describe('schedules', () => {
  const workspace = forEachTest(() => Workspace.withLongLeases());
  beforeEach(() => {
    workspace.write('claims-2026-11.txt', '1\n2\n');
    workspace.write('price.sh', 'cat; echo "$BATCHCTL_PARAM_REGION"');
    workspace.write('job.json', {
      name: 'claims',
      files: ['price.sh'],
      params: { REGION: 'EU' },
      input: { from: 'claims-{period}.txt', split: { by: 'lines', every: 1 } },
      steps: [{ name: 'price', run: ['sh', 'price.sh'] }],
    });
  });

  const schedule = (args: readonly string[], at = NOON): Promise<Ended> =>
    workspace.run(['schedule', ...args], movedClock(at));
  const answerOf = async (ended: Promise<Ended>): Promise<Answer> => {
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Answer;
  };
  const tick = (at: string, ...flags: readonly string[]): Promise<Ended> =>
    workspace.run(['tick', ...flags], movedClock(at));

  it('are fired by tick, from the store alone, with deadline and period; and the job is complete', async () => {
    const added = await answerOf(
      schedule(['add', ...MONTH_END, '--finish-by', '06:00', '--set', 'REGION=UK', '--json']),
    );
    expect(added).to.deep.equal({
      schedule: 'month-end',
      changed: true,
      next: { period: '2026-11', at: '2026-11-30T18:00:00.000Z' },
    });
    for (const name of ['job.json', 'price.sh']) rmSync(workspace.path(name));
    expect((await answerOf(tick(NOON, '--json'))).fired).to.deep.equal([]);
    const { fired } = await answerOf(tick(DUE, '--json'));
    expect(fired).to.have.length(1);
    const job = fired[0]?.job ?? '';
    const status = await answerOf(workspace.run(['status', 'key:month-end@2026-11', '--json'], movedClock(DUE)));
    expect(status).to.include({ job, finishBy: '2026-12-01T06:00:00.000Z', keeper: tickId() });
    expect((await workspace.work(movedClock(DUE))).code).to.equal(0);
    const { stdout } = await workspace.run(['fetch', job, '-o', '-'], movedClock(DUE));
    expect(stdout).to.equal('1\nUK\n2\nUK\n');
    const began = performance.now();
    const { stdout: shown } = await schedule(['show', 'month-end'], DUE);
    const [, minutes = '0', seconds] =
      /^2026-11 +2026-11-30 18:00 GMT \((?:(\d+)m)?(\d+)s ago\) +succeeded +claims-/m.exec(shown) ?? [];
    const latest = SECONDS_LATE + Math.ceil((performance.now() - began) / 1_000);
    expect(60 * Number(minutes) + Number(seconds), shown).to.be.within(SECONDS_LATE, latest);
    expect((await tick(DUE, '--quiet')).stderr, 'silent from cron').to.equal('');
  });

  it('are unchanged if added again; a different one of the name is rejected, and --replace changes it', async () => {
    await schedule(['add', ...MONTH_END]);
    expect((await answerOf(schedule(['add', ...MONTH_END, '--json']))).changed).to.equal(false);
    const other = await schedule(['add', ...MONTH_END, '--time', '20:00']);
    expect(other.code).to.equal(7);
    expect(other.stderr).to.include('change it with --replace');
    expect((await schedule(['add', ...MONTH_END, '--time', '20:00', '--replace', '--dry-run'])).code).to.equal(0);
    const replaced = await answerOf(schedule(['add', ...MONTH_END, '--time', '20:00', '--replace', '--json']));
    expect(replaced.changed).to.equal(true);
    const { stdout } = await schedule(['ls']);
    expect(stdout).to.match(/^month-end +claims +last-business-day 20:00 +2026-11-30 20:00 GMT \(in 3d8h\)/m);
  });

  it('show the next ten firings, in their own zone, in wall-clock time through summer and winter', async () => {
    await schedule(
      ['add', 'night', 'job.json', '--cron', '30 1 * * *', '--tz', 'Europe/London'],
      '2026-10-20T12:00:00Z',
    );
    const { stdout } = await schedule(['next', 'night', '--json'], '2026-10-23T12:00:00Z');
    const lines = parseJsonLines<{ period: string; at: string }>(stdout);
    expect(lines).to.have.length(10);
    expect(lines.slice(0, 3).map(({ period, at }) => `${period} ${at}`)).to.deep.equal([
      '2026-10-24T01:30 2026-10-24T00:30:00.000Z',
      '2026-10-25T01:30 2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30 2026-10-26T01:30:00.000Z',
    ]);
  });

  it('run a period once if it is run by hand before its time', async () => {
    await schedule(['add', ...MONTH_END]);
    const run = ['run', 'month-end', '--period', '2026-11'];
    expect(await answerOf(schedule([...run, '--dry-run', '--json']))).to.include({ job: null, created: true });
    const first = await answerOf(schedule([...run, '--json']));
    expect(first).to.include({ created: true, runKey: 'month-end@2026-11' });
    expect(await answerOf(schedule([...run, '--json']))).to.include({ job: first.job, created: false });
    expect((await answerOf(tick(DUE, '--json'))).fired).to.deep.equal([]);
    workspace.write('claims-2026-11.txt', '1\n2\n3\n');
    expect((await schedule(run)).code, 'another input').to.equal(7);
    expect(await answerOf(schedule([...run, '--existing', '--json']))).to.include({ job: first.job, created: false });
    expect((await answerOf(schedule([...run, '--again', '--json']))).created).to.equal(true);
  });

  it('reject a malformed period, and give an example of a valid one', async () => {
    await schedule(['add', ...MONTH_END]);
    for (const period of ['2026-13', '2026-11-30', 'November']) {
      const { code, stderr } = await schedule(['run', 'month-end', '--period', period]);
      expect(code, period).to.equal(2);
      expect(stderr, period).to.include('such as 2026-11');
    }
    expect((await schedule(['run', 'month-end'])).code).to.equal(2);
    expect((await schedule(['run', 'other', '--period', '2026-11'])).code).to.equal(4);
  });

  it('fire nothing while they are paused or after they are removed; finished jobs stay', async () => {
    await schedule(['add', ...MONTH_END]);
    expect((await answerOf(schedule(['pause', 'month-end', '--json']))).changed).to.equal(true);
    expect((await answerOf(schedule(['pause', 'month-end', '--json']))).changed).to.equal(false);
    expect((await answerOf(tick(DUE, '--json'))).fired).to.deep.equal([]);
    expect((await schedule(['ls'], DUE)).stdout).to.match(/paused +2026-11 paused$/m);
    await schedule(['resume', 'month-end'], '2026-11-30T19:00:00Z');
    expect((await answerOf(tick('2026-11-30T19:01:00Z', '--json'))).fired).to.deep.equal([]);
    await schedule(['run', 'month-end', '--period', '2026-11'], '2026-11-30T19:02:00Z');
    expect((await schedule(['rm', 'month-end'], DUE)).code, 'unconfirmed').to.equal(7);
    expect((await schedule(['rm', 'month-end', '--yes'], DUE)).code).to.equal(0);
    expect((await schedule(['show', 'month-end'], DUE)).code).to.equal(4);
    expect((await workspace.run(['status', 'key:month-end@2026-11'])).code).to.equal(0);
  });

  it('that are paused catch up nothing until they are resumed', async () => {
    rmSync(workspace.path('claims-2026-11.txt'));
    await schedule(['add', ...MONTH_END]);
    expect((await tick(DUE)).code, 'its input is not there').to.equal(4);
    await schedule(['pause', 'month-end'], '2026-11-30T18:05:00Z');
    workspace.write('claims-2026-11.txt', '1\n2\n');
    expect((await answerOf(tick('2026-11-30T18:10:00Z', '--json'))).fired).to.deep.equal([]);
    expect((await schedule(['ls'], '2026-11-30T18:10:00Z')).stdout).to.match(/paused +2026-11 paused$/m);
    await schedule(['resume', 'month-end'], '2026-11-30T18:15:00Z');
    const { fired } = await answerOf(tick('2026-11-30T18:20:00Z', '--json'));
    expect(fired.map(({ period }) => period)).to.deep.equal(['2026-11']);
  });

  it('skip no month if their day is moved into the past: it is caught up, or a warning names it', async () => {
    await schedule(['add', ...MONTH_END], '2026-11-02T12:00:00Z');
    workspace.write('holidays', '2026-11-30 closed\n2026-11-27 closed\n2026-11-26 closed\n');
    const far = await schedule(['add', ...MONTH_END, '--holidays', 'holidays', '--replace']);
    expect(far.stderr).to.include(
      'warning: 2026-11 was due 2026-11-25 18:00 GMT (1d18h ago) by these times, and did not run: run it with batchctl schedule run month-end --period 2026-11',
    );
    workspace.write('holidays', '2026-11-30 closed\n2026-11-27 closed\n');
    const near = await schedule(['add', ...MONTH_END, '--holidays', 'holidays', '--replace']);
    expect(near.stdout).to.include('next: 2026-12');
    expect(near.stderr).to.include('by these times, and did not run: the next round fires it');
    const { fired } = await answerOf(tick(NOON, '--json'));
    expect(fired.map(({ period }) => period)).to.deep.equal(['2026-11']);
    const ran = await schedule(['add', ...MONTH_END, '--replace'], DUE);
    expect(ran.stderr).not.to.include('was due');
    expect((await answerOf(tick(DUE, '--json'))).fired, 'a month runs once, whatever its day').to.deep.equal([]);
  });

  it('name the period that was due before they were created, or before their pattern changed', async () => {
    const young = await schedule(['add', ...MONTH_END], '2026-11-30T18:30:00Z');
    expect(young.stderr).to.match(
      /2026-11 was due 2026-11-30 18:00 GMT [(]30m\d*s? ago[)], before this schedule was created, so it does not fire: run it with batchctl schedule run month-end --period 2026-11/,
    );
    const night = (hour: number): readonly string[] => ['add', 'night', 'job.json', '--cron', `0 ${hour} * * *`];
    await schedule([...night(6), '--tz', 'UTC'], '2026-11-27T05:00:00Z');
    const changed = await schedule([...night(7), '--tz', 'UTC', '--replace'], '2026-11-27T06:30:00Z');
    expect(changed.stderr).to.match(
      /2026-11-27T06:00 was due 2026-11-27 06:00 UTC [(]30m\d*s? ago[)] by the previous times, did not run, and does not fire now: run it with batchctl submit job[.]json --period 2026-11-27T06:00 --run-key night@2026-11-27T06:00/,
    );
  });

  it('report a firing that fails at most once an hour, with the exit code of its cause', async () => {
    rmSync(workspace.path('claims-2026-11.txt'));
    await schedule(['add', ...MONTH_END]);
    const first = await tick(DUE, '--quiet');
    expect(first.code).to.equal(4);
    expect(first.stderr).to.match(
      /^warning: schedule month-end, 2026-11: the input claims-2026-11.txt matches nothing/,
    );
    const second = await tick('2026-11-30T18:01:20Z', '--quiet');
    expect(second).to.include({ code: 4, stderr: '' });
    const third = await tick('2026-11-30T18:02:20Z', '--json');
    const { troubles } = JSON.parse(third.stdout) as Answer;
    expect(troubles).to.have.length(1);
    expect(troubles[0]).to.include({ about: 'schedule month-end, 2026-11', kind: 'notFound', news: false });
    const late = await tick('2026-12-02T18:00:00Z', '--quiet');
    expect(late.code).to.equal(0);
    expect(late.stderr).to.include(
      'month-end missed 2026-11: run it with batchctl schedule run month-end --period 2026-11',
    );
  });

  it('are checked on creation: one that could only fail later is rejected', async () => {
    const monthly = ['x', 'job.json', '--calendar', 'last-business-day'];
    const wrong: readonly (readonly [number, ...string[]])[] = [
      [2, 'x', 'job.json'],
      [2, 'x', 'job.json', '--cron', '0 6 * *'],
      [2, 'x', 'job.json', '--cron', '0 6 * * *', '--time', '18:00'],
      [2, 'x', 'job.json', '--calendar', 'first-business-day'],
      [2, 'last', 'job.json', '--calendar', 'last-business-day'],
      [2, 'Month', 'job.json', '--calendar', 'last-business-day'],
      [2, ...monthly, '--cron', '0 6 * * *'],
      [2, ...monthly, '--time', '25:00'],
      [2, ...monthly, '--finish-by', '2026-12-01T06:00Z'],
      [2, ...monthly, '--set', 'other=1'],
      [2, ...monthly, '--input', '-'],
      [3, ...monthly, '--input', '{nothing}.txt'],
      [4, ...monthly, '--holidays', 'none'],
      [4, 'x', 'none.json', '--calendar', 'last-business-day'],
    ];
    const codes = await Promise.all(wrong.map(async ([, ...args]) => (await schedule(['add', ...args])).code));
    expect(codes).to.deep.equal(wrong.map(([code]) => code));
    expect(existsSync(workspace.path('.batchctl/store/schedules'))).to.equal(false);
  });

  it('accept holidays, and say when the list ends', async () => {
    workspace.write('holidays', '2026-11-30 St Andrew\n');
    const added = await schedule(['add', ...MONTH_END, '--holidays', 'holidays']);
    expect(added.stdout).to.include('next: 2026-11, 2026-11-27 18:00 GMT (in 6h)');
    expect(added.stderr).to.include('the holidays end with 2026-11-30: in 2027 only weekends are skipped');
    expect(added.stderr).to.include('nothing fires it yet; add to a crontab: * * * * *  cd');
    expect(added.stderr).to.include('batchctl tick --quiet --profile local');
    workspace.write('holidays', '30 November\n');
    const wrong = await schedule(['add', ...MONTH_END, '--holidays', 'holidays', '--replace']);
    expect(wrong.stderr).to.include('holidays:1: expected a date such as 2026-12-25, found "30"');
  });
});
