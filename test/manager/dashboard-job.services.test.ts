// Protects: a job can be watched, paused, adjusted, retried and cancelled on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { openGate, writeClaimsJob, writeRangeJob, writeRates } from '../support/manager/dashboard-jobs.ts';
import { confirmAction, DashboardSuite, pressInDialog } from '../support/manager/dashboard-suite.ts';
import { keepPicture } from '../support/manager/page-checks.ts';

describe('a job on the dashboard', () => {
  const suite = new DashboardSuite({ each: true, prepare: ({ workspace }) => writeClaimsJob(workspace) });

  const waitForText = (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

  it('can be watched from submission to its end, and fixed by a retry with a canary and a skip', async () => {
    const { page } = await suite.open();
    await waitForText(page, 'No jobs are open');
    const { workspace } = suite.server;
    const job = await workspace.submit('--finish-by', 'in 2h');
    await page.getByRole('link', { name: `claims ${job}`, exact: true }).click();
    workspace.start(['worker', '--slots', '2', '--quiet']);
    await waitForText(page, '16 of 41 tasks done, 4 failed for good, 2 running, 19 waiting.');
    // Late in the evening, the deadline is tomorrow and shows its date.
    await waitForText(page, /^projected \d\d:\d\d, deadline (\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d .+)$/);
    await waitForText(page, 'row <n>: no rate for EUR');
    await page.locator('.course canvas').first().waitFor();
    await keepPicture(page, 'half-way');

    writeRates(workspace);
    await page.getByRole('button', { name: /^Retry cause .* 3 of price/ }).click();
    await page.getByText(/Would retry 3 tasks: price\/6,10,14\. First price\/\d+/).waitFor();
    await page.locator('dialog code', { hasText: /^batchctl retry .* --cause .* --canary 1$/ }).waitFor();
    await keepPicture(page, 'retry');
    await confirmAction(page, 'Retry', /^Done\. Round 1 retries 3 tasks/);
    // The second half occupies the slots; the canary waits until it ends.
    await waitForText(page, 'Round 1 retries 1 task; until they run, they count as failed.');

    await page.getByRole('button', { name: /^Skip cause .* 1 of price/ }).click();
    await pressInDialog(page, 'Skip');
    const reason = page.getByLabel('Reason');
    const isValid = await reason.evaluate((input: { validity?: { valid: boolean } }) => input.validity?.valid);
    expect(isValid, 'a reason is required').to.equal(false);
    await reason.fill("unreadable, it's ticket 4711");
    await page.locator('dialog code', { hasText: `--reason 'unreadable, it'\\''s ticket 4711'` }).waitFor();
    await confirmAction(page, 'Skip', '1 task skipped: price/3.');

    openGate(workspace);
    await waitForText(page, 'Succeeded');
    await waitForText(page, '40 of 41 tasks done, none failed for good, 1 skipped.');
    await page.getByRole('link', { name: 'History' }).click();
    await waitForText(page, 'token:anna');
    await waitForText(page, "skipped price/3: unreadable, it's ticket 4711");
    expect(await suite.server.status(job)).to.include({ state: 'succeeded', round: 1 });
  });

  it('is paused, adjusted, resumed and cancelled, each after a dialog that can be closed without effect', async () => {
    const { workspace } = suite.server;
    const job = await workspace.submit();
    const { page, faults } = await suite.open(`#/jobs/${job}`);
    const openDialog = async (name: string): Promise<void> => {
      await page.getByRole('button', { name: `${name} ${job}...` }).click();
      await page.getByRole('dialog').waitFor();
    };

    await openDialog('Cancel');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await openDialog('Pause');
    await confirmAction(page, 'Pause', /^Done\. The job is now paused\.$/);
    await waitForText(page, /^Paused/);
    await openDialog('Adjust the limits of');
    faults.allow = /400/;
    await page.getByLabel('Deadline').fill('no such time');
    await pressInDialog(page, 'Adjust');
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.getByLabel('Deadline').fill('in 3h');
    await confirmAction(page, 'Adjust', /^Done\. finishBy: /);
    await waitForText(page, /^in (3h|2h59m)$/);
    await openDialog('Resume');
    await confirmAction(page, 'Resume', /^Done\. The job is now running/);
    await openDialog('Cancel');
    await confirmAction(page, 'Cancel', /^Done\. The job is now cancelled\.$/);
    await waitForText(page, 'Cancelled');
    const { stdout } = await workspace.run(['history', job, '--json']);
    expect(stdout.match(/"what":"(pause|adjust|resume|cancel)","?[^}]*/g)).to.have.lengthOf(4);
  });

  it('shows its tasks page by page, and a task with its attempts and logs', async () => {
    const { workspace } = suite.server;
    writeRangeJob(workspace, 'many', 120, { name: 'one', run: 'read n; echo "row $n is here" >&2; echo $n' });
    const job = await workspace.submit();
    await workspace.work({}, '--slots', '4', '--quiet');
    const { page } = await suite.open(`#/jobs/${job}/tasks`);
    const rows = page.locator('main tbody tr');
    await rows.nth(49).waitFor();
    expect(await rows.count()).to.equal(50);
    for (const last of [99, 119]) {
      await page.getByRole('button', { name: 'Show 50 more' }).click();
      await rows.nth(last).waitFor();
    }
    expect(await rows.count()).to.equal(120);
    await page.getByLabel('State').selectOption('failed');
    await waitForText(page, 'No tasks match.');
    await page.getByLabel('State').selectOption('done');
    await page.getByRole('link', { name: 'one/7', exact: true }).click();
    await waitForText(page, 'row 8 is here');
    expect(page.url()).to.match(/#\/jobs\/many-[^/]+\/tasks\/one\/7$/);
  });
});
