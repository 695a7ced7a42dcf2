// Protects: the dashboard's home shows jobs that need a person, all runs by period and open jobs, and never shows old data as new.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import type { ApiPeriods } from '../../src/model/api.ts';
import { writeRangeJob } from '../support/manager/dashboard-jobs.ts';
import { signIn } from '../support/manager/dashboard-server.ts';
import { DashboardSuite, waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { keepPicture, layoutFaults } from '../support/manager/page-checks.ts';
import { until } from '../support/until.ts';

const SCREENS = [
  { width: 1280, height: 900, colorScheme: 'light' },
  { width: 1280, height: 900, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
] as const;

describe("the dashboard's home", () => {
  const jobs = { failed: '', running: '' };
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      writeRangeJob(workspace, 'claims', 2, { name: 'one', attempts: 1, run: 'echo "no rate" >&2; exit 3' });
      for (const month of ['2026-09', '2026-10']) await workspace.submit('--run-key', `claims-${month}`);
      jobs.failed = await workspace.submit('--run-key', 'claims-2026-11', '--finish-by', 'in 1s');
      writeRangeJob(workspace, 'tax', 2, { name: 'one', attempts: 1, run: 'cat' });
      await workspace.submit('--run-key', 'tax-2026-10');
      await workspace.work({}, '--quiet');
      await workspace.submit('--run-key', 'tax-2026-12');
      jobs.running = await workspace.submit('--run-key', 'tax-2026-11', '--finish-by', 'in 1s');
      await workspace.runSuccessfully('schedule', 'add', 'levy', 'job.json', '--cron', '0 6 1 1 *', '--tz', 'UTC');
    },
  });
  const months = (page: Page) => page.getByRole('grid', { name: 'Runs by job, months' });
  const focused = (page: Page): Promise<string> => page.evaluate<string>('document.activeElement.ariaLabel');

  it('names three failed runs of a job in one line, with a link to each', async () => {
    const { page } = await suite.open();
    const line = page.getByRole('listitem').filter({ hasText: 'claims: 3 runs failed: tasks failed for good' });
    await line.waitFor();
    expect((await line.getByRole('link').allTextContents()).sort()).to.deep.equal(['2026-09', '2026-10', '2026-11']);
    await line.getByRole('link', { name: '2026-11', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /claims/ }).waitFor();
    expect(page.url()).to.contain(`#/jobs/${jobs.failed}`);
  });

  it('shows each run in its period, describes the one under the pointer, and opens it', async () => {
    const { page } = await suite.open();
    const run = months(page).getByRole('link', { name: /^claims 2026-11 · failed: tasks failed for good · ended / });
    await run.hover();
    await page.locator('.told', { hasText: 'claims 2026-11 · failed: tasks failed for good' }).waitFor();
    expect(await months(page).getByRole('columnheader', { name: 'Nov 2026' }).count()).to.equal(1);
    expect(await months(page).getByRole('rowheader').allTextContents()).to.include.members(['claims', 'tax']);
    await run.click();
    await page.waitForURL((url) => url.hash.startsWith(`#/jobs/${jobs.failed}`));
  });

  it('moves through the grid by arrow keys, with one stop of the Tab key', async () => {
    const { page } = await suite.open();
    await months(page).waitFor();
    expect(await months(page).locator('[tabindex="0"]').count()).to.equal(1);
    await months(page).locator('[tabindex="0"]').focus();
    expect(await focused(page)).to.match(/^claims · Dec 2026 · no run/);
    await page.keyboard.press('ArrowRight');
    expect(await focused(page)).to.match(/^claims 2026-11 · failed/);
    await page.locator('.told', { hasText: 'claims 2026-11 · failed' }).waitFor();
    await page.keyboard.press('End');
    expect(await focused(page)).to.match(/^claims · Jan 2026 · no run/);
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    expect(await focused(page)).to.match(/^tax 2026-11 · running/);
    expect(await months(page).locator('[tabindex="0"]').count(), 'the Tab key returns to this run').to.equal(1);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.hash.startsWith(`#/jobs/${jobs.running}`));
  });

  it('lists open jobs, the one that is latest against its deadline first', async () => {
    const { page } = await suite.open();
    const rows = page.getByRole('table', { name: 'Open jobs' }).locator('tbody tr');
    await rows.nth(1).waitFor();
    const runKeys = (await rows.locator('th small').allTextContents()).map((text) => text.trim());
    expect(runKeys).to.deep.equal(['tax-2026-11', 'tax-2026-12']);
  });

  it('shows runs that a schedule missed, in the grid and above it', async () => {
    const { page } = await suite.open('', {}, null);
    const due = new Date(Date.now() - 26 * 3_600_000).toISOString();
    await page.route('**/api/v1/periods*', async (route) => {
      const answer = await route.fetch();
      const { bands, ...rest } = (await answer.json()) as ApiPeriods;
      const cell = {
        state: 'missed',
        period: '2026-11',
        job: null,
        reason: null,
        at: due,
        closedAt: null,
        finishBy: null,
        late: false,
        states: { missed: 1 },
      };
      const rows = [{ name: 'tax', schedule: 'levy', cells: [cell] }];
      const band = { unit: 'quarter', columns: ['2026-Q4'], rows, left: 0 };
      await route.fulfill({ response: answer, json: { ...rest, bands: [...bands, band] } });
    });
    await signIn(page, await suite.token());
    await page.getByRole('link', { name: 'levy: 2026-11 never ran; it was due 1d2h ago' }).waitFor();
    const grid = page.getByRole('grid', { name: 'Runs by job, quarters' });
    await grid.getByRole('link', { name: /^levy 2026-11 · never ran/ }).click();
    await page.getByRole('heading', { level: 1, name: 'Schedules' }).waitFor();
  });

  for (const { width, height, colorScheme } of SCREENS) {
    it(`fits the screen and is accessible: ${width} wide, ${colorScheme}`, async () => {
      const { page } = await suite.open('', { viewport: { width, height }, colorScheme });
      await months(page).waitFor();
      await months(page).locator('[tabindex="0"]').focus();
      expect(await layoutFaults(page)).to.deep.equal([]);
      if (width < 400) {
        const scrolls = `[...document.querySelectorAll('.periods')].some((one) => one.scrollWidth > one.clientWidth)`;
        expect(await page.evaluate(scrolls), 'only the grid scrolls').to.equal(true);
      }
      await keepPicture(page, `home-${width}-${colorScheme}`);
    });
  }

  it('says how old its data is once the connection is lost, disables actions, and reconnects by itself', async () => {
    const { page, faults } = await suite.open();
    faults.allow = /ERR_|net::|Failed to load/;
    await months(page).waitFor();
    await page.evaluate(`location.hash = '#/jobs/${jobs.running}'`);
    const pause = page.getByRole('button', { name: /^Pause/ });
    await pause.waitFor();
    await waitUntilLive(page);
    await pause.click();
    await page.getByRole('dialog').waitFor();
    await suite.server.kill();
    const age = /last heard (\d+\w+ ago|now)/;
    await page.locator('.page-header').getByText(age).waitFor();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/^no connection to the manager: last heard/).waitFor();
    const confirm = dialog.getByRole('button', { name: 'Pause', exact: true });
    expect(await confirm.getAttribute('aria-disabled')).to.equal('true');
    await page.keyboard.press('Escape');
    await pause.click({ force: true });
    expect(await dialog.count(), 'the dialog stays closed').to.equal(0);
    expect(await pause.getAttribute('title')).to.match(/^no connection to the manager: last heard/);
    await page.evaluate(`location.hash = '#/jobs'`);
    await page.getByText(/^Not live since \d\d:\d\d:\d\d/).waitFor();
    await months(page).waitFor();
    expect(await page.evaluate(`document.querySelector('main').className`)).to.equal('stale');
    expect(await layoutFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'home-lost');
    await suite.server.start();
    await until('the page is live again', async () => (await page.locator('.live').textContent()) === 'live');
    expect(await page.evaluate(`document.querySelector('main').className`)).to.equal('');
  });
});
