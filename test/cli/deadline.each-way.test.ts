// Protects: a job with a deadline shows when it will end, and late jobs are reported with the right exit code.

import { expect } from 'chai';
import { deadlineText } from '../../src/cli/format.ts';
import { jobExit } from '../../src/jobs/job-exit.ts';
import { Lateness } from '../../src/verbs/watch.ts';
import { forEachTest } from '../support/fixture.ts';
import { describeDirectly, describeEachWay } from '../support/manager/each-way.ts';
import { until } from '../support/until.ts';
import { rangeJobFile, waitForGoCommand } from '../support/why-job.ts';

const at = (time: string): string => `2026-11-30T${time}:00.000Z`;
const now = Date.parse(at('05:00'));
const text = (status: Partial<Parameters<typeof deadlineText>[0]>): string | null =>
  deadlineText({ finishBy: at('06:00'), projected: null, closedAt: null, ...status }, { zone: 'UTC', now });

describeDirectly('a deadline', () => {
  it('is shown with how far the projection, or the end, is from it', () => {
    expect(text({ projected: at('05:40') })).to.equal('projected 05:40, deadline 06:00, 20m early');
    const interval = (from: string, to: string) =>
      text({ projected: at('05:40'), projectedEarliest: at(from), projectedLatest: at(to) });
    expect(interval('05:31', '05:52')).to.equal('projected 05:40 (05:31 to 05:52), deadline 06:00, 20m early');
    expect(interval('05:40', '05:40')).to.equal('projected 05:40, deadline 06:00, 20m early');
    expect(text({ projected: at('07:30') })).to.equal('projected 07:30, deadline 06:00, 1h30m late');
    expect(text({ closedAt: at('06:00') })).to.equal('ended 06:00, deadline 06:00, just in time');
    expect(text({})).to.equal('deadline 06:00, in 1h');
    expect(text({ finishBy: at('04:30') })).to.equal('deadline 04:30, missed 30m ago');
    expect(text({ finishBy: '2026-12-01T06:00:00.000Z' })).to.equal('deadline 2026-12-01 06:00 UTC, in 1d1h');
    expect(text({ finishBy: null })).to.equal(null);
  });

  it('exits 10 if a job succeeded late, and never hides that it failed', () => {
    const late = { finishBy: at('06:00'), closedAt: at('06:01') };
    expect(jobExit({ state: 'succeeded', ...late })).to.equal(10);
    expect(jobExit({ state: 'succeeded', finishBy: at('06:00'), closedAt: at('06:00') })).to.equal(0);
    expect(jobExit({ state: 'failed', ...late })).to.equal(5);
    expect(jobExit({ state: 'paused', ...late, closedAt: null })).to.equal(7);
  });

  it('counts as missed once the projection has been past it for a while, or the time has passed', () => {
    const lateness = new Lateness(15_000);
    const status = (projected: string | null) => ({ finishBy: at('06:00'), projected, closedAt: null });
    expect(lateness.isLate(status(at('06:10')), now)).to.equal(false);
    expect(lateness.isLate(status(at('05:50')), now + 10_000)).to.equal(false);
    expect(lateness.isLate(status(at('06:10')), now + 14_000)).to.equal(false);
    expect(lateness.isLate(status(at('06:10')), now + 16_000)).to.equal(false);
    expect(lateness.isLate(status(at('06:10')), now + 29_000)).to.equal(true);
    expect(lateness.seen).to.deep.equal(status(at('06:10')));
    expect(new Lateness(15_000).isLate(status(null), Date.parse(at('06:01')))).to.equal(true);
    expect(new Lateness(15_000).isLate({ ...status(at('07:00')), closedAt: at('07:00') }, now)).to.equal(false);
  });
});

describeEachWay('--finish-by', (make) => {
  const workspace = forEachTest(make);
  beforeEach(() => {
    workspace.write('job.json', rangeJobFile(1, waitForGoCommand(workspace)));
  });

  it('makes wait --until-late return 6 when it passes, and watch, wait and run exit 10 once the job is done', async () => {
    const job = await workspace.submit('--finish-by', 'in 1s');
    const worker = workspace.start(['worker', '--until-empty']);
    const late = await workspace.run(['wait', job, '--until-late', '--json']);
    expect(late.code, late.stderr).to.equal(6);
    expect(JSON.parse(late.stderr.trim().split('\n').at(-1) ?? '').error.message)
      .to.include('late')
      .and.include('deadline');
    const { finishBy } = JSON.parse((await workspace.runSuccessfully('status', job, '--json')).stdout);
    await until('the deadline passes', () => Date.now() > Date.parse(finishBy));
    workspace.write('go', '');
    for (const command of ['wait', 'watch', 'run'])
      expect((await workspace.run([command, job])).code, command).to.equal(10);
    expect((await worker.ended).code).to.equal(0);
  });

  it('is compared with a projection from finished tasks, with an interval once their variation is known', async () => {
    const run = `sleep 0.$((BATCHCTL_TASK % 5 + 1)); [ $BATCHCTL_TASK -lt 40 ] || until [ -e ${workspace.path('go')} ]; do sleep 0.1; done`;
    workspace.write('job.json', rangeJobFile(60, run));
    const job = await workspace.submit('--finish-by', 'in 1h');
    const worker = workspace.start(['worker', '--until-empty', '--slots', '4']);
    const status = async () => JSON.parse((await workspace.runSuccessfully('status', job, '--json')).stdout);
    const seen = await until('twenty are done', async () => {
      const before = Date.now();
      const now = await status();
      return now.steps[0].done >= 20 && { ...now, before, after: Date.now() };
    });
    const [earliest, projected, latest] = ['projectedEarliest', 'projected', 'projectedLatest'].map((field) =>
      Date.parse(seen[field]),
    ) as [number, number, number];
    expect(earliest).to.be.at.most(projected);
    expect(latest).to.be.above(projected);
    expect(latest - earliest).to.be.below(600_000);
    // `eta` is rounded to a second.
    expect(projected - seen.eta * 1_000).to.be.within(seen.before - 1_000, seen.after + 1_000);
    workspace.write('go', '');
    expect((await worker.ended).code).to.equal(0);
    expect(await status()).to.include({ projected: null, projectedEarliest: null, projectedLatest: null });
  });

  it('is rejected if it has passed; wait --until-late needs one, and --max-cost needs prices', async () => {
    const expectUsage = async (...words: readonly string[]): Promise<void> => {
      expect((await workspace.run(words)).code, words.join(' ')).to.equal(2);
    };
    await expectUsage('submit', 'job.json', '--finish-by', '2020-01-01T06:00Z');
    await expectUsage('submit', 'job.json', '--max-cost', '5');
    const job = await workspace.submit();
    await expectUsage('wait', job, '--until-late');
    await expectUsage('adjust', job, '--max-cost', '5');
    await expectUsage('adjust', job);
    await workspace.runSuccessfully('adjust', job, '--finish-by', 'in 6h');
    const { stdout } = await workspace.run(['status', job, '--tz', 'UTC']);
    expect(stdout).to.match(/deadline .*in (6h|5h\d+m)/);
  });
});
