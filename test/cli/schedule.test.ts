import { existsSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { expect } from 'chai';
import { tickId } from '../../src/jobs/keeper.ts';
import { movedClock } from '../support/moved-clock.ts';
import { type Ended, Workspace } from '../support/workspace.ts';

const NOON = '2026-11-27T12:00:00Z';
const DUE = '2026-11-30T18:00:20Z';
const MONTH_END = ['month-end', 'job.json', '--calendar', 'last-business-day', '--tz', 'Europe/London'];

interface Answer {
  readonly [field: string]: unknown;
  readonly job: string | null;
  readonly created: boolean;
  readonly changed: boolean;
  readonly fired: readonly { readonly schedule: string; readonly period: string; readonly job: string }[];
  readonly troubles: readonly { readonly about: string; readonly kind: string; readonly news: boolean }[];
}

describe('schedules', function () {
  this.timeout(60_000);
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
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
  afterEach(() => workspace.remove());

  const schedule = (args: readonly string[], at = NOON): Promise<Ended> =>
    workspace.run(['schedule', ...args], movedClock(at));
  const answered = async (ended: Promise<Ended>): Promise<Answer> => {
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout) as Answer;
  };
  const tick = (at: string, ...flags: readonly string[]): Promise<Ended> =>
    workspace.run(['tick', ...flags], movedClock(at));

  it('are fired by tick, from the store alone, with deadline and period; and the job is whole', async () => {
    const added = await answered(
      schedule(['add', ...MONTH_END, '--finish-by', '06:00', '--set', 'REGION=UK', '--json']),
    );
    expect(added).to.deep.equal({
      schedule: 'month-end',
      changed: true,
      next: { period: '2026-11', at: '2026-11-30T18:00:00.000Z' },
    });
    for (const name of ['job.json', 'price.sh']) rmSync(workspace.path(name));
    expect((await answered(tick(NOON, '--json'))).fired).to.deep.equal([]);
    const { fired } = await answered(tick(DUE, '--json'));
    expect(fired).to.have.length(1);
    const job = fired[0]?.job ?? '';
    const status = await answered(workspace.run(['status', 'key:month-end@2026-11', '--json'], movedClock(DUE)));
    expect(status).to.include({ job, finishBy: '2026-12-01T06:00:00.000Z', keeper: tickId() });
    expect((await workspace.work(movedClock(DUE))).code).to.equal(0);
    const { stdout } = await workspace.run(['fetch', job, '-o', '-'], movedClock(DUE));
    expect(stdout).to.equal('1\nUK\n2\nUK\n');
    const shown = await schedule(['show', 'month-end'], DUE);
    expect(shown.stdout).to.match(/^2026-11 +2026-11-30 18:00 GMT \(2\ds ago\) +succeeded +claims-/m);
    expect((await tick(DUE, '--quiet')).stderr, 'silent from cron').to.equal('');
  });

  it('of one name are one: the same again is fine, another is refused, and --replace changes it', async () => {
    await schedule(['add', ...MONTH_END]);
    expect((await answered(schedule(['add', ...MONTH_END, '--json']))).changed).to.equal(false);
    const other = await schedule(['add', ...MONTH_END, '--time', '20:00']);
    expect(other.code).to.equal(7);
    expect(other.stderr).to.include('--replace changes it');
    expect((await schedule(['add', ...MONTH_END, '--time', '20:00', '--replace', '--dry-run'])).code).to.equal(0);
    expect(
      (await answered(schedule(['add', ...MONTH_END, '--time', '20:00', '--replace', '--json']))).changed,
    ).to.equal(true);
    const { stdout } = await schedule(['ls']);
    expect(stdout).to.match(/^month-end +claims +last-business-day 20:00 +2026-11-30 20:00 GMT \(in 3d8h\)/m);
  });

  it('show the coming ten, in their own zone, at the clock’s own time through summer and winter', async () => {
    await schedule(
      ['add', 'night', 'job.json', '--cron', '30 1 * * *', '--tz', 'Europe/London'],
      '2026-10-20T12:00:00Z',
    );
    const { stdout } = await schedule(['next', 'night', '--json'], '2026-10-23T12:00:00Z');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { period: string; at: string });
    expect(lines).to.have.length(10);
    expect(lines.slice(0, 3).map(({ period, at }) => `${period} ${at}`)).to.deep.equal([
      '2026-10-24T01:30 2026-10-24T00:30:00.000Z',
      '2026-10-25T01:30 2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30 2026-10-26T01:30:00.000Z',
    ]);
  });

  it('run a period by hand, once: before its time, and it is not fired again then', async () => {
    await schedule(['add', ...MONTH_END]);
    const run = ['run', 'month-end', '--period', '2026-11'];
    expect(await answered(schedule([...run, '--dry-run', '--json']))).to.include({ job: null, created: true });
    const first = await answered(schedule([...run, '--json']));
    expect(first).to.include({ created: true, runKey: 'month-end@2026-11' });
    expect(await answered(schedule([...run, '--json']))).to.include({ job: first.job, created: false });
    expect((await answered(tick(DUE, '--json'))).fired).to.deep.equal([]);
    workspace.write('claims-2026-11.txt', '1\n2\n3\n');
    expect((await schedule(run)).code, 'another input').to.equal(7);
    expect(await answered(schedule([...run, '--existing', '--json']))).to.include({ job: first.job, created: false });
    expect((await answered(schedule([...run, '--again', '--json']))).created).to.equal(true);
  });

  it('refuse a period that they have not, with one that they have', async () => {
    await schedule(['add', ...MONTH_END]);
    for (const period of ['2026-13', '2026-11-30', 'November']) {
      const { code, stderr } = await schedule(['run', 'month-end', '--period', period]);
      expect({ code, such: stderr.includes('such as 2026-11') }, period).to.deep.equal({ code: 2, such: true });
    }
    expect((await schedule(['run', 'month-end'])).code).to.equal(2);
    expect((await schedule(['run', 'other', '--period', '2026-11'])).code).to.equal(4);
  });

  it('fire nothing while they are paused, nor once they are removed; what ran stays', async () => {
    await schedule(['add', ...MONTH_END]);
    expect((await answered(schedule(['pause', 'month-end', '--json']))).changed).to.equal(true);
    expect((await answered(schedule(['pause', 'month-end', '--json']))).changed).to.equal(false);
    expect((await answered(tick(DUE, '--json'))).fired).to.deep.equal([]);
    expect((await schedule(['ls'], DUE)).stdout).to.match(/paused +2026-11 paused$/m);
    await schedule(['resume', 'month-end'], '2026-11-30T19:00:00Z');
    expect((await answered(tick('2026-11-30T19:01:00Z', '--json'))).fired).to.deep.equal([]);
    await schedule(['run', 'month-end', '--period', '2026-11'], '2026-11-30T19:02:00Z');
    expect((await schedule(['rm', 'month-end'], DUE)).code, 'unconfirmed').to.equal(7);
    expect((await schedule(['rm', 'month-end', '--yes'], DUE)).code).to.equal(0);
    expect((await schedule(['show', 'month-end'], DUE)).code).to.equal(4);
    expect((await workspace.run(['status', 'key:month-end@2026-11'])).code).to.equal(0);
  });

  it('tell what a firing lacks, once an hour, with the exit code of the mistake', async () => {
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
      'month-end missed 2026-11: batchctl schedule run month-end --period 2026-11 runs it',
    );
  });

  it('are checked when they are made: nothing that could only fail later is put', async () => {
    const wrong: readonly (readonly [number, ...string[]])[] = [
      [2, 'add', 'x', 'job.json'],
      [2, 'add', 'x', 'job.json', '--cron', '0 6 * * *', '--calendar', 'last-business-day'],
      [2, 'add', 'x', 'job.json', '--cron', '0 6 * *'],
      [2, 'add', 'x', 'job.json', '--cron', '0 6 * * *', '--time', '18:00'],
      [2, 'add', 'x', 'job.json', '--calendar', 'first-business-day'],
      [2, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--time', '25:00'],
      [2, 'add', 'last', 'job.json', '--calendar', 'last-business-day'],
      [2, 'add', 'Month', 'job.json', '--calendar', 'last-business-day'],
      [2, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--finish-by', '2026-12-01T06:00Z'],
      [2, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--set', 'other=1'],
      [2, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--input', '-'],
      [3, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--input', '{nothing}.txt'],
      [4, 'add', 'x', 'job.json', '--calendar', 'last-business-day', '--holidays', 'none'],
      [4, 'add', 'x', 'none.json', '--calendar', 'last-business-day'],
    ];
    const codes = await Promise.all(wrong.map(async ([, ...args]) => (await schedule(args)).code));
    expect(codes).to.deep.equal(wrong.map(([code]) => code));
    expect(existsSync(workspace.path('.batchctl/store/schedules'))).to.equal(false);
  });

  it('take holidays, and say when those end', async () => {
    workspace.write('holidays', '2026-11-30 St Andrew\n');
    const added = await schedule(['add', ...MONTH_END, '--holidays', 'holidays']);
    expect(added.stdout).to.include('next: 2026-11, 2026-11-27 18:00 GMT (in 6h)');
    expect(added.stderr).to.include('the holidays end with 2026-11-30: in 2027 only weekends count');
    expect(added.stderr).to.include('nobody fires it yet; add to a crontab: * * * * *  cd');
    expect(added.stderr).to.include('batchctl tick --quiet --profile local');
    workspace.write('holidays', '30 November\n');
    const wrong = await schedule(['add', ...MONTH_END, '--holidays', 'holidays', '--replace']);
    expect(wrong.stderr).to.include('holidays:1: expected a date such as 2026-12-25, found "30"');
  });
});

describe('submit --at', function () {
  this.timeout(60_000);
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace();
    workspace.write('job.json', {
      name: 'claims',
      input: { split: { by: 'range', from: 1, to: 1 } },
      steps: [{ name: 'price', run: 'date +%s >> "$HOME/ran"; cat' }],
    });
  });
  afterEach(() => workspace.remove());

  it('needs a keeper of the last 15 minutes, and says which crontab line is one', async () => {
    const at = ['submit', 'job.json', '--at', 'in 2h', '--run-key', 'k'];
    const alone = await workspace.run(at);
    expect(alone.code).to.equal(7);
    expect(alone.stderr).to.include('--at needs somebody who sees to it');
    expect(alone.stderr).to.match(
      /hint: add to a crontab: \* \* \* \* \* {2}cd \S+ && batchctl tick --quiet --profile local/,
    );
    expect((await workspace.run(['jobs'])).stdout).to.equal('');
    expect((await workspace.run(['tick'])).code).to.equal(0);
    const later = await workspace.run(at);
    expect(later.code, later.stderr).to.equal(0);
    expect(later.stderr).to.match(/begins 20\S+ \S+ UTC \(in (2h|1h\d+m)/);
    const gone = movedClock(new Date(Date.now() + 20 * 60_000).toISOString());
    expect((await workspace.run(['submit', 'job.json', '--at', 'in 2h'], gone)).code, 'it left').to.equal(7);
    expect((await workspace.run(at, gone)).code, 'the job that is there is answered all the same').to.equal(0);
    const doctor = await workspace.run(['doctor', '--json'], gone);
    expect(doctor.stdout).to.include('"check":"keeper","status":"pass"');
  });

  it('begins no task before its time, with run too, which waits', async () => {
    const asked = Date.now();
    const ran = await workspace.run(['run', 'job.json', '--at', 'in 3s']);
    expect(ran.code, ran.stderr).to.equal(0);
    expect(Number(workspace.lines('ran')[0])).to.be.at.least(Math.floor(asked / 1_000) + 3);
  });

  it('is refused for a time that is over, or after the deadline', async () => {
    for (const flags of [['2020-01-01T06:00Z'], ['in 2h', '--finish-by', 'in 1h']]) {
      expect((await workspace.run(['submit', 'job.json', '--at', ...flags])).code, flags.join(' ')).to.equal(2);
    }
  });

  it('warns in doctor where schedules are nobody’s', async () => {
    await workspace.run(['schedule', 'add', 'daily', 'job.json', '--cron', '0 6 * * *']);
    const { stdout } = await workspace.run(['doctor']);
    expect(stdout).to.match(/^warn {2}keeper +no keeper was ever here: nobody fires daily\n +mend: batchctl tick/m);
    expect((await workspace.run(['tick'])).code).to.equal(0);
    expect((await workspace.run(['doctor'])).stdout).to.match(/^pass {2}keeper +tick-\S+ left its mark/m);
    expect(tickId()).to.match(/^tick-[a-z0-9-]+$/);
    expect(tickId(`${hostname()}.`)).to.equal(tickId());
  });
});
