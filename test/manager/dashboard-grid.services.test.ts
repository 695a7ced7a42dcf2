// Protects: operators can scale groups, drain workers, send dead letters back to their queue and run schedules on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createGates, gate, openGate, writeRangeJob } from '../support/manager/dashboard-jobs.ts';
import { confirmAction, DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { until } from '../support/until.ts';

describe('workers, queues and schedules on the dashboard', () => {
  const suite = new DashboardSuite();
  // Workers of a group outlive their parent process.
  after(() => suite.server.workspace.run(['scale', '0', '--yes']));

  const open = async (hash: string): Promise<Page> => (await suite.open(hash)).page;
  const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name }).click();

  it('scales a group, and stops a worker that started', async () => {
    const page = await open('#/workers');
    await page.getByText('No workers are running.').waitFor();
    await press(page, 'Scale group default...');
    await page.getByRole('textbox', { name: 'Workers' }).fill('2');
    await page.locator('dialog code', { hasText: 'batchctl scale 2 --group default' }).waitFor();
    await confirmAction(page, 'Scale', /^Done\. New size: 2 workers/);
    const rows = page.getByRole('table', { name: 'Workers' }).locator('tbody tr');
    await rows.filter({ hasText: 'idle' }).nth(1).waitFor();
    const worker = await rows.first().getByRole('link').first().textContent();
    await press(page, `Stop worker ${worker}...`);
    await page.getByText('The worker exits at once. It is running no task.').waitFor();
    await confirmAction(page, 'Stop', /^Done\. Stop requested\./);
    await until('the worker left', async () => {
      const { stdout } = await suite.server.workspace.run(['workers', '--json']);
      return !stdout.split('\n').some((line) => line.includes(`"${worker}"`) && /"state":"(idle|busy)"/.test(line));
    });
    await rows.first().getByRole('link').first().click();
    await page.getByRole('heading', { level: 1, name: /^w-/ }).waitFor();
  });

  it('sends dead letters back, after a preview of the effect', async () => {
    const { workspace } = suite.server;
    // The third task keeps the job open: letters of closed jobs stay.
    createGates(workspace, 'third');
    const run = `read n; if [ $n = 3 ]; then ${gate('third')}; else [ -e "$HOME/up" ] || exit 3; fi`;
    writeRangeJob(workspace, 'sums', 3, { name: 'one', attempts: 1, run });
    const job = await workspace.submit();
    workspace.start(['worker', '--slots', '2', '--quiet']);
    await until('two tasks failed', async () => (await suite.server.status(job)).steps[0]?.failed === 2);
    const page = await open('#/queues');
    await press(page, 'Redrive dead letters of group default...');
    await page.getByText('2 tasks would be retried.').waitFor();
    workspace.write('up', '');
    await confirmAction(page, 'Redrive', /^Done\. .*2 tasks will be retried\./);
    openGate(workspace, 'third');
    await until('the job succeeded', async () => (await suite.server.status(job)).state === 'succeeded');
    expect((await suite.server.status(job)).round).to.equal(1);
  });

  it('sends back the dead letters of a closed job that is entered, as it says of those that it leaves', async () => {
    const { workspace } = suite.server;
    writeRangeJob(workspace, 'closed', 1, { name: 'one', attempts: 1, run: `[ -e "$HOME/fixed" ] || exit 3` });
    const job = await workspace.submit();
    const isNow = async (state: string): Promise<boolean> => (await suite.server.status(job)).state === state;
    // The worker of the group that is left may run the task, too.
    await workspace.work();
    await until('the job failed', () => isNow('failed'));
    const page = await open('#/queues');
    await press(page, 'Redrive dead letters of group default...');
    const dialog = page.getByRole('dialog');
    // Letters of the former test's first round may be there still: a worker that had not seen the retry buried them again.
    const [failed, replaced] = ['the job has failed', 'a later round has replaced it'];
    const left = `1 task left: ${failed}|[23] tasks left: (${replaced}; ${failed}|${failed}; ${replaced})`;
    await dialog.getByText(new RegExp(`(${left})\\. To send back those of ${job}, enter its id as Job\\.`)).waitFor();
    expect(await dialog.textContent()).to.not.include('--job');
    await page.getByRole('textbox', { name: 'Job' }).fill(job);
    await dialog.locator('code', { hasText: `batchctl queue redrive --group default --job ${job}` }).waitFor();
    await dialog.getByText('1 task would be retried.').waitFor();
    workspace.write('fixed', '');
    await confirmAction(page, 'Redrive', /^Done\. .*1 task will be retried\./);
    await workspace.work();
    await until('the job succeeded', () => isNow('succeeded'));
  });

  it('pauses, resumes and runs a schedule', async () => {
    const { workspace } = suite.server;
    writeRangeJob(workspace, 'nightly', 2, { name: 'one', run: 'cat' });
    const page = await open('#/schedules');
    await page.getByText('There are no schedules.').waitFor();
    await workspace.runSuccessfully('schedule', 'add', 'nightly', 'job.json', '--cron', '0 6 * * *');
    await press(page, 'Pause schedule nightly...');
    await confirmAction(page, 'Pause', /^Done\. The schedule is now paused\./);
    await press(page, 'Resume schedule nightly...');
    await confirmAction(page, 'Resume', /^Done\. The schedule is now active\./);
    await page.getByRole('button', { name: 'Pause schedule nightly...' }).waitFor();
    await press(page, 'Run schedule nightly now...');
    const period = await page.getByLabel('Period').inputValue();
    expect(period).to.match(/^\d{4}-\d\d-\d\dT06:00$/);
    await confirmAction(page, 'Run', /^Done\. Submitted as nightly-/);
    const { stdout } = await workspace.run(['jobs', '--name', 'nightly', '--json']);
    expect(JSON.parse(stdout)).to.include({ runKey: `nightly@${period}`, createdBy: 'token:anna' });
  });
});
