// Protects: failed tasks can be retried or skipped, and workers drained, on the dashboard.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import {
  createGates,
  gate,
  openGate,
  writeClaimsJob,
  writeRangeJob,
  writeRates,
} from '../support/manager/dashboard-jobs.ts';
import { confirmAction, DashboardSuite } from '../support/manager/dashboard-suite.ts';

describe('fixing failed tasks on the dashboard', () => {
  let job = '';
  const suite = new DashboardSuite({
    each: true,
    prepare: async ({ workspace }) => {
      writeClaimsJob(workspace);
      openGate(workspace);
      job = await workspace.submit();
      await workspace.work({}, '--slots', '2', '--quiet');
    },
  });
  const press = (page: Page, name: RegExp): Promise<void> => page.getByRole('button', { name }).click();
  const firstStep = async () => (await suite.server.status(job)).steps[0];

  it('retries one task from its own page', async () => {
    const { page } = await suite.open(`#/jobs/${job}/tasks/price/6`);
    await press(page, /^Retry task price\/6\.\.\.$/);
    await page.getByText('Would retry 1 task: price/6.').waitFor();
    writeRates(suite.server.workspace);
    await confirmAction(page, 'Retry', /^Done\. Round 1 retries 1 task: price\/6\.$/);
    await suite.server.workspace.work({}, '--quiet');
    expect(await firstStep()).to.include({ done: 37, failed: 3 });
    await page.getByRole('table', { name: 'History of price/6' }).getByText('done', { exact: true }).waitFor();
  });

  it('retries all failed tasks at once, whatever the cause', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    await press(page, /^Retry all failed tasks of /);
    await page.getByLabel('Canary tasks').fill('');
    await page.getByText(/^Would retry 4 tasks: price\/3,6,10,14\.$/).waitFor();
    writeRates(suite.server.workspace);
    await confirmAction(page, 'Retry all', /^Done\. Round 1 retries 4 tasks/);
    await suite.server.workspace.work({}, '--quiet');
    await page.getByText('39 of 41 tasks done, 1 failed for good').waitFor();
    const { round, steps } = await suite.server.status(job);
    expect([round, steps[0]?.done, steps[0]?.failed]).to.deep.equal([1, 39, 1]);
  });

  it('skips a cause, and undoes the skip', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    await press(page, /^Skip cause .* 3 of price/);
    await page.getByLabel('Reason').fill('no rates tonight');
    await confirmAction(page, 'Skip', /^Done\. 3 tasks skipped: price\/6,10,14\.$/);
    expect(await firstStep()).to.include({ failed: 1, skipped: 3 });
    const { page: list } = await suite.open(`#/jobs/${job}/tasks`);
    await list.getByText('price/6', { exact: true }).waitFor();
    for (const [task, state] of [
      [6, 'skipped'],
      [3, 'failed'],
    ] as const)
      expect(
        await list
          .getByRole('row')
          .filter({ has: list.getByText(`price/${task}`, { exact: true }) })
          .getByText(/^(skipped|failed)$/)
          .textContent(),
      ).to.equal(state);
    await press(page, /^Undo skip of cause .* of price/);
    await page.locator('dialog code', { hasText: /^batchctl skip .* --undo$/ }).waitFor();
    await confirmAction(page, 'Undo skip', /^Done\. 3 skips undone\.$/);
    expect(await firstStep()).to.include({ failed: 4, skipped: 0 });
  });

  it('drains a worker, which finishes its task and exits', async () => {
    const { workspace } = suite.server;
    createGates(workspace, 'end');
    writeRangeJob(workspace, 'long', 1, { name: 'one', run: gate('end') });
    job = await workspace.submit();
    const worker = workspace.start(['worker', '--slots', '1', '--quiet']);
    const { page } = await suite.open('#/workers');
    await page.getByRole('link', { name: `${job}/one/0` }).waitFor();
    await press(page, /^Drain worker w-/);
    const result = 'Done. Drain requested. The worker exits when its current tasks have ended.';
    await confirmAction(page, 'Drain', result);
    await page.locator('.mark', { hasText: 'draining' }).waitFor();
    expect(worker.child.exitCode, 'the worker runs as long as its task').to.equal(null);
    openGate(workspace, 'end');
    expect((await worker.ended).code).to.equal(0);
    expect(await firstStep()).to.include({ done: 1, failed: 0 });
  });
});
