// Protects: operators can scale groups, drain workers, send dead letters back to their queue and run schedules on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { layRangeJob } from '../support/manager/dashboard-jobs.ts';
import { answer, closeDialog, DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { until } from '../support/until.ts';

describe('workers, queues and schedules on the dashboard', () => {
  const suite = new DashboardSuite();
  // Workers of a group outlive their parent process: they exit when told to.
  after(() => suite.server.workspace.run(['scale', '0', '--yes']));

  const open = async (hash: string): Promise<Page> => (await suite.look(hash)).page;

  it('scales a group, and stops a worker that started', async () => {
    const page = await open('#/workers');
    await page.getByText('No workers are running.').waitFor();
    await page.getByRole('button', { name: 'Scale group default...' }).click();
    await page.getByRole('textbox', { name: 'Workers' }).fill('2');
    await page.locator('dialog code', { hasText: 'batchctl scale 2 --group default' }).waitFor();
    await answer(page, 'Scale');
    await page.getByText(/^Done\. New size: 2 workers/).waitFor();
    await closeDialog(page);
    const rows = page.getByRole('table', { name: 'Workers' }).locator('tbody tr');
    await rows.filter({ hasText: 'idle' }).nth(1).waitFor();
    const worker = await rows.first().getByRole('link').first().textContent();
    await page.getByRole('button', { name: `Stop worker ${worker}...` }).click();
    await page.getByText('The worker exits at once. It is running no task.').waitFor();
    await answer(page, 'Stop');
    await page.getByText(/^Done\. Stop requested\./).waitFor();
    await closeDialog(page);
    await until('the worker left', async () => {
      const { stdout } = await suite.server.workspace.run(['workers', '--json']);
      return !stdout.split('\n').some((line) => line.includes(`"${worker}"`) && /"state":"(idle|busy)"/.test(line));
    });
    await rows.first().getByRole('link').first().click();
    await page.getByRole('heading', { level: 1, name: /^w-/ }).waitFor();
  });

  it('sends dead letters back, after a preview of the effect', async () => {
    const { workspace } = suite.server;
    layRangeJob(workspace, 'sums', 2, { name: 'one', attempts: 1, run: '[ -e "$HOME/up" ] || exit 3' });
    const job = await workspace.submit();
    await workspace.work({}, '--quiet');
    const page = await open('#/queues');
    await page.getByRole('button', { name: 'Redrive dead letters of group default...' }).click();
    await page.getByText('2 tasks would be retried.').waitFor();
    workspace.write('up', '');
    await answer(page, 'Redrive');
    await page.getByText(/^Done\. .*2 tasks will be retried\./).waitFor();
    await closeDialog(page);
    await workspace.work({}, '--quiet');
    expect(await suite.server.status(job)).to.include({ state: 'succeeded', round: 1 });
  });

  it('pauses, resumes and runs a schedule', async () => {
    const { workspace } = suite.server;
    layRangeJob(workspace, 'nightly', 2, { name: 'one', run: 'cat' });
    const page = await open('#/schedules');
    await page.getByText('There are no schedules.').waitFor();
    await workspace.well('schedule', 'add', 'nightly', 'job.json', '--cron', '0 6 * * *');
    await page.getByRole('button', { name: 'Pause schedule nightly...' }).click();
    await answer(page, 'Pause');
    await page.getByText(/^Done\. The schedule is now paused\./).waitFor();
    await closeDialog(page);
    await page.getByRole('button', { name: 'Resume schedule nightly...' }).click();
    await answer(page, 'Resume');
    await page.getByText(/^Done\. The schedule is now active\./).waitFor();
    await closeDialog(page);
    await page.getByRole('button', { name: 'Pause schedule nightly...' }).waitFor();
    await page.getByRole('button', { name: 'Run schedule nightly now...' }).click();
    const period = await page.getByLabel('Period').inputValue();
    expect(period).to.match(/^\d{4}-\d\d-\d\dT06:00$/);
    await answer(page, 'Run');
    await page.getByText(/^Done\. Submitted as nightly-/).waitFor();
    await closeDialog(page);
    const { stdout } = await workspace.run(['jobs', '--name', 'nightly', '--json']);
    expect(JSON.parse(stdout)).to.include({ runKey: `nightly@${period}`, createdBy: 'token:anna' });
  });
});
