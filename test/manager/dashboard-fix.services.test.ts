// Protects: failed tasks can be retried or skipped, and workers drained, on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { bringRates, gate, layClaimsJob, layGates, layRangeJob, openGate } from '../support/manager/dashboard-jobs.ts';
import { answer, closeDialog, DashboardSuite } from '../support/manager/dashboard-suite.ts';

describe('fixing failed tasks on the dashboard', () => {
  let job = '';
  const suite = new DashboardSuite({
    each: true,
    arrange: async ({ workspace }) => {
      layClaimsJob(workspace);
      openGate(workspace);
      job = await workspace.submit();
      await workspace.work({}, '--slots', '2', '--quiet');
    },
  });
  const ask = (page: Page, name: RegExp): Promise<void> => page.getByRole('button', { name }).click();

  it('retries one task from its own page', async () => {
    const { page } = await suite.look(`#/jobs/${job}/tasks/price/6`);
    await ask(page, /^Retry task price\/6\.\.\.$/);
    await page.getByText('Would retry 1 task: price/6.').waitFor();
    bringRates(suite.server.workspace);
    await answer(page, 'Retry');
    await page.getByText(/^Done\. Round 1 retries 1 task: price\/6\.$/).waitFor();
    await closeDialog(page);
    await suite.server.workspace.work({}, '--quiet');
    expect((await suite.server.status(job)).steps[0]).to.include({ done: 37, failed: 3 });
    await page.getByRole('table', { name: 'History of price/6' }).getByText('done', { exact: true }).waitFor();
  });

  it('retries all failed tasks at once, whatever the cause', async () => {
    const { page } = await suite.look(`#/jobs/${job}`);
    await ask(page, /^Retry all failed tasks of /);
    await page.getByLabel('Canary tasks').fill('');
    await page.getByText(/^Would retry 4 tasks: price\/3,6,10,14\.$/).waitFor();
    bringRates(suite.server.workspace);
    await answer(page, 'Retry all');
    await page.getByText(/^Done\. Round 1 retries 4 tasks/).waitFor();
    await closeDialog(page);
    await suite.server.workspace.work({}, '--quiet');
    await page.getByText('39 of 41 tasks done, 1 failed for good').waitFor();
    const { round, steps } = await suite.server.status(job);
    expect([round, steps[0]?.done, steps[0]?.failed]).to.deep.equal([1, 39, 1]);
  });

  it('skips a cause, and undoes the skip', async () => {
    const { page } = await suite.look(`#/jobs/${job}`);
    await ask(page, /^Skip cause .* 3 of price/);
    await page.getByLabel('Reason').fill('no rates tonight');
    await answer(page, 'Skip');
    await page.getByText(/^Done\. 3 tasks skipped: price\/6,10,14\.$/).waitFor();
    await closeDialog(page);
    expect((await suite.server.status(job)).steps[0]).to.include({ failed: 1, skipped: 3 });
    await ask(page, /^Undo the skip of cause .* of price/);
    await page.locator('dialog code', { hasText: /^batchctl skip .* --undo$/ }).waitFor();
    await answer(page, 'Undo skip');
    await page.getByText(/^Done\. 3 skips undone\.$/).waitFor();
    await closeDialog(page);
    expect((await suite.server.status(job)).steps[0]).to.include({ failed: 4, skipped: 0 });
  });

  it('drains a worker, which finishes its task and exits', async () => {
    const { workspace } = suite.server;
    layGates(workspace, 'end');
    layRangeJob(workspace, 'long', 1, { name: 'one', run: gate('end') });
    job = await workspace.submit();
    const worker = workspace.start(['worker', '--slots', '1', '--quiet']);
    const { page } = await suite.look('#/workers');
    await page.getByRole('link', { name: `${job}/one/0` }).waitFor();
    await ask(page, /^Drain worker w-/);
    await answer(page, 'Drain');
    await page.getByText('Done. Drain requested. The worker exits when its current tasks have ended.').waitFor();
    await closeDialog(page);
    await page.locator('.mark', { hasText: 'draining' }).waitFor();
    expect(worker.child.exitCode, 'it is there while its task runs').to.equal(null);
    openGate(workspace, 'end');
    expect((await worker.ended).code).to.equal(0);
    expect((await suite.server.status(job)).steps[0]).to.include({ done: 1, failed: 0 });
  });
});
