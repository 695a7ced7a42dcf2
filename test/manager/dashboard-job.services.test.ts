// Protects: a job can be watched, paused, adjusted, retried and cancelled on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { bringRates, layClaimsJob, layRangeJob, openGate } from '../support/manager/dashboard-jobs.ts';
import { answer, DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { keepPicture } from '../support/manager/page-checks.ts';

describe('a job on the dashboard', () => {
  const suite = new DashboardSuite({ each: true, arrange: ({ workspace }) => layClaimsJob(workspace) });

  const seen = (page: Page, text: string | RegExp): Promise<void> => page.getByText(text).first().waitFor();

  it('can be watched from submission to its end, and repaired by a retry behind a canary and by a skip', async () => {
    const { page } = await suite.look();
    await seen(page, 'No jobs are open');
    const { workspace } = suite.server;
    const job = await workspace.submit('--finish-by', 'in 2h');
    await page.getByRole('link', { name: `claims ${job}`, exact: true }).click();
    workspace.start(['worker', '--slots', '2', '--quiet']);
    await seen(page, '16 of 41 tasks done, 4 failed for good, 2 running, 19 waiting.');
    // Late in the evening, the deadline is tomorrow and shows its date.
    await seen(page, /^projected \d\d:\d\d, deadline (\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d .+)$/);
    await seen(page, 'row <n>: no rate for EUR');
    await page.locator('.course canvas').first().waitFor();
    await keepPicture(page, 'half-way');

    bringRates(workspace);
    await page.getByRole('button', { name: /^Retry cause .* 3 of price/ }).click();
    await page.getByText(/Would retry 3 tasks: price\/6,10,14\. First price\/\d+/).waitFor();
    await page.locator('dialog code', { hasText: /^batchctl retry .* --cause .* --canary 1$/ }).waitFor();
    await keepPicture(page, 'retry');
    await answer(page, 'Retry');
    await page.getByText(/^Done\. Round 1 retries 3 tasks/).waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    // The second half occupies the slots; the canary waits until it ends.
    await seen(page, 'Round 1 retries 1 task; until they run, they count as failed.');

    await page.getByRole('button', { name: /^Skip cause .* 1 of price/ }).click();
    await answer(page, 'Skip');
    expect(
      await page.getByLabel('Reason').evaluate((input) => (input as { validity?: { valid: boolean } }).validity?.valid),
    ).to.equal(false);
    await page.getByLabel('Reason').fill("unreadable, it's ticket 4711");
    await page.locator('dialog code', { hasText: `--reason 'unreadable, it'\\''s ticket 4711'` }).waitFor();
    await answer(page, 'Skip');
    await page.getByText('1 task skipped: price/3.').last().waitFor();
    await page.keyboard.press('Escape');

    openGate(workspace);
    await seen(page, 'Succeeded');
    await seen(page, '40 of 41 tasks done, none failed for good, 1 skipped.');
    await page.getByRole('link', { name: 'History' }).click();
    await seen(page, 'token:anna');
    await seen(page, "skipped price/3: unreadable, it's ticket 4711");
    expect(await suite.server.status(job)).to.include({ state: 'succeeded', round: 1 });
  });

  it('is paused, adjusted, resumed and cancelled, each after a dialog that can be closed without effect', async () => {
    const { workspace } = suite.server;
    const job = await workspace.submit();
    const { page, heard } = await suite.look(`#/jobs/${job}`);
    const ask = async (name: string): Promise<void> => {
      await page.getByRole('button', { name: `${name} ${job}...` }).click();
      await page.getByRole('dialog').waitFor();
    };

    await ask('Cancel');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await ask('Pause');
    await answer(page, 'Pause');
    await page.getByText(/^Done\. The job is now paused\.$/).waitFor();
    await answer(page, 'Close');
    await seen(page, /^Paused/);
    await ask('Adjust the limits of');
    heard.allow = /400/;
    await page.getByLabel('Deadline').fill('no such time');
    await answer(page, 'Adjust');
    await page.getByRole('dialog').getByRole('alert').waitFor();
    await page.getByLabel('Deadline').fill('in 3h');
    await answer(page, 'Adjust');
    await page.getByText(/^Done\. finishBy: /).waitFor();
    await answer(page, 'Close');
    await seen(page, /^in (3h|2h59m)$/);
    await ask('Resume');
    await answer(page, 'Resume');
    await page.getByText(/^Done\. The job is now running/).waitFor();
    await answer(page, 'Close');
    await ask('Cancel');
    await answer(page, 'Cancel');
    await page.getByText(/^Done\. The job is now cancelled\.$/).waitFor();
    await answer(page, 'Close');
    await seen(page, 'Cancelled');
    const { stdout } = await workspace.run(['history', job, '--json']);
    expect(stdout.match(/"what":"(pause|adjust|resume|cancel)","?[^}]*/g)).to.have.lengthOf(4);
  });

  it('shows its tasks page by page, and a task with its attempts and logs', async () => {
    const { workspace } = suite.server;
    layRangeJob(workspace, 'many', 120, { name: 'one', run: 'read n; echo "row $n is here" >&2; echo $n' });
    const job = await workspace.submit();
    await workspace.work({}, '--slots', '4', '--quiet');
    const { page } = await suite.look(`#/jobs/${job}/tasks`);
    const rows = page.locator('main tbody tr');
    await rows.nth(49).waitFor();
    expect(await rows.count()).to.equal(50);
    await page.getByRole('button', { name: 'Show 50 more' }).click();
    await rows.nth(99).waitFor();
    await page.getByRole('button', { name: 'Show 50 more' }).click();
    await rows.nth(119).waitFor();
    expect(await rows.count()).to.equal(120);
    await page.getByLabel('State').selectOption('failed');
    await seen(page, 'No tasks match.');
    await page.getByLabel('State').selectOption('done');
    await page.getByRole('link', { name: 'one/7', exact: true }).click();
    await seen(page, 'row 8 is here');
    expect(page.url()).to.match(/#\/jobs\/many-[^/]+\/tasks\/one\/7$/);
  });
});
