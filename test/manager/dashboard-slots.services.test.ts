// Protects: the dashboard shows the tasks of each slot, opens a task from there, and acts on all matching tasks at once.

import { expect } from 'chai';
import { confirmAction, DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { keepPicture, layoutFaults } from '../support/manager/page-checks.ts';
import { rangeJob } from '../support/range-job.ts';

const SCREENS = [
  { width: 1280, colorScheme: 'light' },
  { width: 1280, colorScheme: 'dark' },
  { width: 390, colorScheme: 'light' },
] as const;

describe('the slots and the tasks of a job on the dashboard', () => {
  let [job, cut] = ['', ''];
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      const run = 'read n; echo "row $n" >&2; [ "$n" -gt 60 ] || exit 3';
      // Otherwise twenty tasks that fail alike pause the job.
      workspace.write('job.json', { ...rangeJob('claims', 70, { name: 'price', attempts: 1, run }), halt: 'never' });
      job = await workspace.submit();
      await workspace.work({}, '--slots', '2', '--quiet');
      workspace.write('lines.txt', 'a\n'.repeat(2_500));
      workspace.write('job.json', {
        name: 'cut',
        params: { bad: 'stop' },
        input: { from: 'lines.txt', split: { by: 'lines', every: 1_250 } },
        steps: [{ name: 'map', attempts: 1, run: '[ "$BATCHCTL_PARAM_BAD" = skip ] || exit 3; cat' }],
      });
      cut = await workspace.submit();
      await workspace.work({}, '--slots', '2', '--quiet');
      await workspace.runSuccessfully('retry', cut, '--task', 'map/0', '--set', 'bad=skip');
      await workspace.runSuccessfully('skip', cut, '--task', 'map/1', '--reason', 'agreed');
      await workspace.work({}, '--slots', '2', '--quiet');
    },
  });

  for (const width of [1280, 390]) {
    it(`shows failures that a retry or a skip answered as superseded: ${width} wide`, async () => {
      const { page } = await suite.open(`#/jobs/${cut}`, { viewport: { width, height: 900 } });
      await page
        .getByRole('group', { name: /^Timeline of slots: .*; 0 failed for good, 0 failed and retried, 2 superseded/ })
        .waitFor();
      await page.locator('.slots .legend').getByText('failed, superseded since').waitFor();
      expect(await page.locator('.slots .legend').getByText('failed for good').count()).to.equal(0);
      expect(await layoutFaults(page)).to.deep.equal([]);
      await keepPicture(page, `superseded-${width}`);
    });

    it(`shows the part and the input of each task of a cut input: ${width} wide`, async () => {
      const { page } = await suite.open(`#/jobs/${cut}/tasks`, { viewport: { width, height: 900 } });
      const table = page.getByRole('table', { name: 'Tasks' });
      await table.getByText('lines 1251-2500').waitFor();
      expect(await table.getByText('lines 1-1250').count()).to.equal(1);
      expect(await table.getByText('lines.txt').count()).to.equal(2);
      expect(await layoutFaults(page)).to.deep.equal([]);
      await keepPicture(page, `tasks-part-${width}`);
    });
  }

  it('shows thousands separators in the records of an input', async () => {
    const { page } = await suite.open(`#/jobs/${cut}/results`);
    await page.getByRole('table', { name: 'Inputs' }).getByText('2,500').waitFor();
  });

  for (const { width, colorScheme } of SCREENS) {
    it(`shows the slots, and opens a task by keyboard: ${width} wide, ${colorScheme}`, async () => {
      const { page } = await suite.open(`#/jobs/${job}`, { viewport: { width, height: 900 }, colorScheme });
      const chart = page.getByRole('group', { name: /^Timeline of slots: 2 lanes .* 60 failed for good/ });
      await chart.focus();
      await page.keyboard.press('ArrowRight');
      await page.locator('.slots-now', { hasText: /price\/\d+, attempt 1: failed for good: exit 3/ }).waitFor();
      expect(await layoutFaults(page)).to.deep.equal([]);
      await keepPicture(page, `slots-${width}-${colorScheme}`);
      await page.keyboard.press('Enter');
      await page
        .getByRole('table', { name: /^History of price\/\d+$/ })
        .getByText('failed for good')
        .waitFor();
      expect(page.url()).to.match(/#\/jobs\/claims-[^/]+\/tasks\/price\/\d+$/);
    });
  }

  it('selects all matching tasks beyond the page, counts them, and skips them by one call', async () => {
    const { page } = await suite.open(`#/jobs/${job}/tasks?step=price&state=failed`);
    await page.getByLabel('Select the 50 tasks shown').click();
    await page.getByRole('button', { name: 'Select all 60 that match' }).click();
    const calls: string[] = [];
    page.on('request', (request) => void (request.method() === 'POST' && calls.push(request.postData() ?? '')));
    await page.getByRole('button', { name: /^Skip all 60 failed tasks of price/ }).click();
    await page.getByText('Would skip 60 tasks: price/0-59.').waitFor();
    await page.getByLabel('Reason').fill('agreed');
    await confirmAction(page, 'Skip', '60 tasks skipped: price/0-59.');
    await page.getByText('10 of 70 tasks done, none failed for good, 60 skipped.').waitFor();
    expect(JSON.parse(calls.at(-1) ?? '')).to.deep.equal({ step: 'price', reason: 'agreed' });
  });
});
