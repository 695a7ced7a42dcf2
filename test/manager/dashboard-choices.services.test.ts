// Protects: the dashboard does what its dialogs' choices say: to exactly the selected tasks, and at the time shown.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { parseJsonLines } from '../support/json-lines.ts';
import { createGates, gate, openGate, writeRangeJob } from '../support/manager/dashboard-jobs.ts';
import { confirmAction, DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { rangeJob } from '../support/range-job.ts';

interface Decision {
  readonly what: string;
  readonly tasks?: Readonly<Record<string, string>>;
  readonly mode?: string;
  readonly now?: boolean;
  readonly changes?: Readonly<Record<string, unknown>>;
}

describe('choices on the dashboard', () => {
  const suite = new DashboardSuite({ each: true });
  const press = (page: Page, name: RegExp): Promise<void> => page.getByRole('button', { name }).click();

  /** The decisions of one kind on a job, oldest first. */
  const decisions = async (job: string, what: string): Promise<readonly Decision[]> => {
    const { stdout } = await suite.server.workspace.runSuccessfully('history', job, '--json');
    return parseJsonLines<Decision>(stdout).filter((each) => each.what === what);
  };

  it('kill a task for good only if chosen, and return running tasks of a paused job only if chosen', async () => {
    const { workspace } = suite.server;
    createGates(workspace, 'end');
    writeRangeJob(workspace, 'long', 2, { name: 'one', run: gate('end') });
    const job = await workspace.submit();
    const worker = workspace.start(['worker', '--slots', '2', '--quiet', '--until-empty']);
    const { page } = await suite.open(`#/jobs/${job}/tasks?step=one&state=running`);
    await page.getByLabel('Select one/1').check();
    await press(page, /^Kill task one\/1\.\.\.$/);
    await page.getByText(/^1 task would be ended and run again: one\/1\.$/).waitFor();
    await page.getByLabel('Then').selectOption({ label: 'count as failed for good' });
    await page.locator('dialog code', { hasText: `batchctl kill ${job} one/1 --fail` }).waitFor();
    await confirmAction(page, 'Kill', /^Done\. 1 task ended and failed for good: one\/1\.$/);
    expect((await decisions(job, 'kill')).map(({ tasks, mode }) => ({ tasks, mode }))).to.deep.equal([
      { tasks: { one: '1' }, mode: 'fail' },
    ]);
    for (const [label, now] of [
      [null, false],
      ['Return running tasks to the queue now', true],
    ] as const) {
      await press(page, /^Pause long-/);
      if (label !== null) await page.getByLabel(label).check();
      await confirmAction(page, 'Pause', /^Done\. The job is now paused\.$/);
      expect((await decisions(job, 'pause')).at(-1)?.now ?? false).to.equal(now);
      await press(page, /^Resume long-/);
      await confirmAction(page, 'Resume', /^Done\. The job is now running/);
    }
    openGate(workspace, 'end');
    await worker.ended;
    expect((await suite.server.status(job)).steps[0]).to.include({ done: 1, failed: 1 });
  });

  it("retry and skip one step's failed tasks, and no other's", async () => {
    const { workspace } = suite.server;
    const fails = (...bad: readonly number[]): string => `read n; case $n in ${bad.join('|')}) exit 3;; esac; echo $n`;
    const step = (name: string, ...bad: readonly number[]) => ({ name, attempts: 1, run: fails(...bad) });
    workspace.write('job.json', rangeJob<object>('both', 6, step('one', 1, 2, 3), step('two', 5, 6)));
    const job = await workspace.submit();
    await workspace.work({}, '--quiet');
    const { page } = await suite.open(`#/jobs/${job}/tasks?state=failed`);
    const choose = async (name: string): Promise<void> => {
      await page.getByLabel('Step').selectOption(name);
      await page.getByLabel(/^Select the \d tasks shown$/).check();
    };
    await choose('two');
    await press(page, /^Skip all 2 failed tasks of two\.\.\.$/);
    await page.getByLabel('Reason').fill('agreed');
    await page.locator('dialog code', { hasText: `batchctl skip ${job} --step two --reason agreed` }).waitFor();
    await confirmAction(page, 'Skip', /^Done\. 2 tasks skipped: two\/4-5\.$/);
    await choose('one');
    await press(page, /^Retry all 3 failed tasks of one\.\.\.$/);
    await page.getByLabel('Canary tasks').fill('');
    await page.locator('dialog code', { hasText: `batchctl retry ${job} --step one` }).waitFor();
    await confirmAction(page, 'Retry', /^Done\. Round \d retries 3 tasks: one\/0-2\./);
    expect((await decisions(job, 'skip')).map(({ tasks }) => tasks)).to.deep.equal([{ two: '4-5' }]);
    expect((await decisions(job, 'retry')).map(({ tasks }) => tasks)).to.deep.equal([{ one: '0-2' }]);
  });

  it('show the tasks with the values of parameters that were typed, and act on these alone', async () => {
    const { workspace } = suite.server;
    workspace.write('job.json', {
      name: 'sweep',
      input: { split: { by: 'grid', axes: { lr: [0.1, 0.3], seed: [1, 2, 3] } } },
      steps: [{ name: 'train', attempts: 1, run: ['sh', '-c', 'exit $BATCHCTL_PARAM_SEED'] }],
    });
    const job = await workspace.submit();
    await workspace.work({}, '--quiet');
    const { page, faults } = await suite.open(`#/jobs/${job}/tasks?state=failed`);
    await page.getByLabel('Parameters').fill('seed=2, lr=0.3');
    await press(page, /^Filter$/);
    await page.getByLabel('Select the 1 task shown').check();
    await press(page, /^Skip task train\/4\.\.\.$/);
    await page.getByLabel('Reason').fill('agreed');
    await confirmAction(page, 'Skip', /^Done\. 1 task skipped: train\/4\.$/);
    await page.getByLabel('Parameters').fill('seed=4');
    await press(page, /^Filter$/);
    await page.getByText('No tasks match.').waitFor();
    faults.allow = /400/;
    await page.getByLabel('Parameters').fill('sed=4');
    await press(page, /^Filter$/);
    await page.getByText(/no parameter sed/).waitFor();
    expect((await decisions(job, 'skip')).map(({ tasks }) => tasks)).to.deep.equal([{ train: '4' }]);
  });

  it("set each limit that was filled in, and read a deadline in the page's time zone", async () => {
    const { workspace } = suite.server;
    writeRangeJob(workspace, 'later', 9, { name: 'one', run: 'cat' });
    const job = await workspace.submit();
    const { page } = await suite.open(`#/jobs/${job}`, { timezoneId: 'Asia/Tokyo' });
    await press(page, /^Adjust the limits of later-/);
    await page.getByText('time zone Asia/Tokyo').waitFor();
    await page.getByLabel('Deadline').fill('tomorrow 06:00');
    await page.getByLabel('Chains that may fail for good').fill('3');
    await page.getByLabel('Tasks running at a time').fill('7');
    const line = `batchctl adjust ${job} --finish-by 'tomorrow 06:00' --tolerate 3 --max-running 7 --tz Asia/Tokyo`;
    await page.locator('dialog code', { hasText: line }).waitFor();
    await confirmAction(page, 'Adjust', /^Done\. finishBy: /);
    const [adjusted] = await decisions(job, 'adjust');
    expect(adjusted).to.include({ tolerate: '3', maxRunning: 7 });
    expect(adjusted)
      .to.have.property('finishBy')
      .that.matches(/T21:00:00(\.000)?Z$/);
    expect(adjusted).not.to.have.property('maxCost');
  });
});
