// Protects: the dashboard's home shows what needs a person, every run by period and what runs, and never passes old data off as new.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import type { ApiPeriods } from '../../src/model/api.ts';
import { layRangeJob } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { axeFaults, keepPicture, widthFault } from '../support/manager/page-checks.ts';
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
    arrange: async ({ workspace }) => {
      layRangeJob(workspace, 'claims', 2, { name: 'one', attempts: 1, run: 'echo "no rate" >&2; exit 3' });
      for (const month of ['2026-09', '2026-10']) await workspace.submit('--run-key', `claims-${month}`);
      jobs.failed = await workspace.submit('--run-key', 'claims-2026-11', '--finish-by', 'in 1s');
      layRangeJob(workspace, 'tax', 2, { name: 'one', attempts: 1, run: 'cat' });
      await workspace.submit('--run-key', 'tax-2026-10');
      await workspace.work({}, '--quiet');
      await workspace.submit('--run-key', 'tax-2026-12');
      jobs.running = await workspace.submit('--run-key', 'tax-2026-11', '--finish-by', 'in 1s');
      await workspace.well('schedule', 'add', 'levy', 'job.json', '--cron', '0 6 1 1 *', '--tz', 'UTC');
    },
  });
  const months = (page: Page) => page.getByRole('grid', { name: 'Runs by job, months' });
  const focused = (page: Page): Promise<string> => page.evaluate<string>('document.activeElement.ariaLabel');

  it('names three failed runs of a job in one line, with the way to each', async () => {
    const { page } = await suite.look();
    const line = page.getByRole('listitem').filter({ hasText: 'claims: 3 runs failed: tasks failed for good' });
    await line.waitFor();
    expect((await line.getByRole('link').allTextContents()).sort()).to.deep.equal(['2026-09', '2026-10', '2026-11']);
    await line.getByRole('link', { name: '2026-11', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /claims/ }).waitFor();
    expect(page.url()).to.contain(`#/jobs/${jobs.failed}`);
  });

  it('shows each run in its period, says what is pointed at, and opens it', async () => {
    const { page } = await suite.look();
    const run = months(page).getByRole('link', { name: /^claims 2026-11 · failed: tasks failed for good · ended / });
    await run.hover();
    await page.locator('.told', { hasText: 'claims 2026-11 · failed: tasks failed for good' }).waitFor();
    expect(await months(page).getByRole('columnheader', { name: 'Nov 2026' }).count()).to.equal(1);
    expect(await months(page).getByRole('rowheader').allTextContents()).to.include.members(['claims', 'tax']);
    await run.click();
    await page.waitForURL((url) => url.hash.startsWith(`#/jobs/${jobs.failed}`));
  });

  it('moves through the grid by arrow keys, with one stop of the Tab key', async () => {
    const { page } = await suite.look();
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
    expect(await months(page).locator('[tabindex="0"]').count(), 'it is left and entered at this run').to.equal(1);
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.hash.startsWith(`#/jobs/${jobs.running}`));
  });

  it('lists what runs, the latest against its deadline first', async () => {
    const { page } = await suite.look();
    const rows = page.getByRole('table', { name: 'Open jobs' }).locator('tbody tr');
    await rows.nth(1).waitFor();
    expect((await rows.locator('th small').allTextContents()).map((text) => text.trim())).to.deep.equal([
      ...['tax-2026-11', 'tax-2026-12'],
    ]);
  });

  it('shows runs of a schedule that never came as holes, in the grid and above it', async () => {
    const { page } = await suite.look('', {}, null);
    const due = new Date(Date.now() - 26 * 3_600_000).toISOString();
    await page.route('**/api/v1/periods*', async (route) => {
      const answer = await route.fetch();
      const { bands, ...rest } = (await answer.json()) as ApiPeriods;
      const hole = { job: null, reason: null, at: due, closedAt: null, finishBy: null, late: false };
      const cell = { ...hole, state: 'missed', period: '2026-11', states: { missed: 1 } } as const;
      const band = {
        unit: 'quarter',
        columns: ['2026-Q4'],
        rows: [{ name: 'tax', schedule: 'levy', cells: [cell] }],
        left: 0,
      };
      await route.fulfill({ response: answer, json: { ...rest, bands: [...bands, band] } });
    });
    await page.getByLabel('Token').fill(await suite.token());
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'levy: 2026-11 never ran; it was due 1d2h ago' }).waitFor();
    const grid = page.getByRole('grid', { name: 'Runs by job, quarters' });
    await grid.getByRole('link', { name: /^levy 2026-11 · never ran/ }).click();
    await page.getByRole('heading', { level: 1, name: 'Schedules' }).waitFor();
  });

  for (const { width, height, colorScheme } of SCREENS) {
    it(`fits the screen and is accessible: ${width} wide, ${colorScheme}`, async () => {
      const { page } = await suite.look('', { viewport: { width, height }, colorScheme });
      await months(page).waitFor();
      await months(page).locator('[tabindex="0"]').focus();
      expect(await axeFaults(page)).to.deep.equal([]);
      expect(await widthFault(page)).to.equal(null);
      if (width < 400) {
        const scrolls = `[...document.querySelectorAll('.periods')].some((one) => one.scrollWidth > one.clientWidth)`;
        expect(await page.evaluate(scrolls), 'the grid scrolls inside itself').to.equal(true);
      }
      await keepPicture(page, `home-${width}-${colorScheme}`);
    });
  }

  it('says how old everything is once the connection is lost, disables actions, and comes back by itself', async () => {
    const { page, heard } = await suite.look();
    heard.allow = /ERR_|net::|Failed to load/;
    await months(page).waitFor();
    await page.evaluate(`location.hash = '#/jobs/${jobs.running}'`);
    const pause = page.getByRole('button', { name: /^Pause/ });
    await pause.waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await pause.click();
    await page.getByRole('dialog').waitFor();
    await suite.server.kill();
    const said = /last heard (\d+\w+ ago|now)/;
    await page.locator('.page-header').getByText(said).waitFor();
    await page
      .getByRole('dialog')
      .getByText(/^no connection to the manager: last heard/)
      .waitFor();
    const confirm = page.getByRole('dialog').getByRole('button', { name: 'Pause', exact: true });
    expect(await confirm.getAttribute('aria-disabled')).to.equal('true');
    await page.keyboard.press('Escape');
    await pause.click({ force: true });
    expect(await page.getByRole('dialog').count(), 'it stays closed').to.equal(0);
    expect(await pause.getAttribute('title')).to.match(/^no connection to the manager: last heard/);
    await page.evaluate(`location.hash = '#/jobs'`);
    await page.getByText(/^Not live since \d\d:\d\d:\d\d/).waitFor();
    await months(page).waitFor();
    expect(await page.evaluate(`document.querySelector('main').className`)).to.equal('stale');
    expect(await axeFaults(page)).to.deep.equal([]);
    await keepPicture(page, 'home-lost');
    await suite.server.start();
    await until('it is live again', async () => (await page.locator('.live').textContent()) === 'live');
    expect(await page.evaluate(`document.querySelector('main').className`)).to.equal('');
  });
});
