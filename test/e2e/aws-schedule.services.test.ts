// Protects: a schedule on AWS starts one job for each period, even when several hosts run tick at once.
import { expect } from 'chai';
import { expectExit, jsonOf } from '../support/expect-exit.ts';
import { forSuite } from '../support/fixture.ts';
import { movedClock } from '../support/moved-clock.ts';
import { emulatedWorkspace } from './emulated-aws.ts';

const JOB = {
  name: 'count',
  files: ['upper.sh'],
  input: { from: 'store:lines-{period}.txt', split: { by: 'lines', every: 1 } },
  steps: [{ name: 'upper', run: ['sh', 'upper.sh'] }],
};
const MONTH_END = ['schedule', 'add', 'month-end', 'job.json', '--calendar', 'last-business-day', '--tz', 'UTC'];

describe('schedules on AWS', () => {
  const workspace = forSuite(() => emulatedWorkspace());

  before(() => {
    workspace.write('upper.sh', 'tr a-z A-Z');
    workspace.write('job.json', JOB);
  });

  it('refuse input that exists only on this machine, and delivery to its directories', async () => {
    const own = expectExit(await workspace.run([...MONTH_END, '--input', 'lines.txt']), 2);
    expect(own.stderr).to.include('the input lines.txt is a file of this machine');
    workspace.write('delivers.json', { ...JOB, deliver: { to: 'out', name: '{task}' } });
    const place = await workspace.run(MONTH_END.map((word) => (word === 'job.json' ? 'delivers.json' : word)));
    expect(place.code).to.equal(2);
    expect(place.stderr).to.include('is a directory of this machine');
  });

  it('refuse a deadline or a cost limit if no tick or manager runs to enforce it', async () => {
    for (const flags of [
      ['--finish-by', 'in 6h'],
      ['--max-cost', '5'],
      ['--at', 'in 6h', '--max-cost', '5'],
    ]) {
      const refused = await workspace.run(['submit', 'job.json', '--period', '2026-11', ...flags]);
      expect(refused.code, flags.join(' ')).to.equal(7);
      expect(refused.stderr).to.match(
        /hint: add to a crontab: \* \* \* \* \* {2}batchctl tick --quiet --profile lab --config \//,
      );
    }
    expect((await workspace.run(['submit', 'job.json', '--finish-by', 'in 6h'])).code, 'no period').to.equal(2);
  });

  it('fire one job per period when two hosts run tick at once, and a worker runs it', async () => {
    await workspace.runSuccessfully(...MONTH_END);
    workspace.write('lines-2026-11.txt', 'a\nb\n');
    await workspace.runSuccessfully('upload', 'lines-2026-11.txt');
    // Created two minutes ago, so that it is due.
    const before = movedClock(new Date(Date.now() - 120_000).toISOString());
    const minutely = ['schedule', 'add', 'minutely', 'job.json', '--cron', '* * * * *', '--tz', 'UTC'];
    expectExit(await workspace.run([...minutely, '--input', 'store:lines-2026-11.txt'], before));
    const hosts = await Promise.all([
      workspace.runSuccessfully('tick', '--json'),
      workspace.runSuccessfully('tick', '--json'),
    ]);
    const fired = hosts.flatMap((ticked) => (jsonOf(ticked) as { fired: { job: string; period: string }[] }).fired);
    expect(new Set(fired.map(({ period }) => period)).size)
      .to.equal(fired.length)
      .and.be.greaterThan(0);
    await workspace.runSuccessfully('schedule', 'pause', 'minutely');
    const run = jsonOf(
      await workspace.runSuccessfully('schedule', 'run', 'month-end', '--period', '2026-11', '--json'),
    );
    expectExit(await workspace.work({}, '--here'));
    for (const job of [run.job, ...fired.map(({ job }) => job)]) {
      expect((await workspace.runSuccessfully('fetch', job, '-o', '-')).stdout, job).to.equal('A\nB\n');
    }
    const status = jsonOf(await workspace.runSuccessfully('status', run.job, '--json')) as { keeper: string };
    expect(status.keeper).to.match(/^tick-/);
    await workspace.runSuccessfully(
      'submit',
      'job.json',
      '--period',
      '2026-11',
      '--finish-by',
      'in 6h',
      '--run-key',
      'now-kept',
    );
  });
});
