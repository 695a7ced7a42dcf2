// Protects: many dashboard tabs stay up to date at once, and each shows its state in its title.
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { writeClaimsJob } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite, setTabHidden, waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { until } from '../support/until.ts';

/** More than a browser's connections to one origin. */
const TABS = 9;

describe('tabs of the dashboard', () => {
  let job = '';
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      writeClaimsJob(workspace);
      job = await workspace.submit('--run-key', 'claims-2026-11');
      workspace.start(['worker', '--slots', '2', '--quiet']);
      await until('the first half is done', async () => (await suite.server.status(job)).steps[0]?.failed === 4);
    },
  });
  /** Waits until a job's page has loaded everything. */
  const waitUntilLoaded = async (page: Page): Promise<void> => {
    for (const text of ['no rate for EUR', 'Slowest tasks']) await page.getByText(text).first().waitFor();
  };
  async function openTab(page: Page): Promise<Page> {
    const tab = await page.context().newPage();
    await suite.goTo(tab, `jobs/${job}`);
    return tab;
  }
  const iconOf = (page: Page): Promise<string | null> => page.locator('link[rel=icon]').getAttribute('href');

  it('use no connection while hidden, and are up to date once visible', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    const tabs = [page];
    await waitUntilLoaded(page);
    while (tabs.length < TABS) {
      await setTabHidden(tabs.at(-1) as Page, true);
      const tab = await openTab(page);
      await waitUntilLoaded(tab);
      tabs.push(tab);
    }
    await setTabHidden(tabs.at(-1) as Page, true);
    await suite.server.workspace.runSuccessfully('pause', job);
    await setTabHidden(page, false);
    const waitForState = (state: RegExp): Promise<void> => page.getByText(state).first().waitFor();
    await waitForState(/^Paused/);
    await suite.server.workspace.runSuccessfully('resume', job);
    await waitForState(/^Running/);
  });

  it('stay live if four of them are visible, each on a job', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    await waitUntilLoaded(page);
    for (let count = 1; count < 4; count += 1) await waitUntilLoaded(await openTab(page));
  });

  it('show the state of their page in title and icon', async () => {
    const { page } = await suite.open();
    const waitForTitle = (tab: Page, title: RegExp): Promise<boolean> =>
      until(`a title like ${title.source}`, async () => title.test(await tab.title()));
    await waitForTitle(page, /^\(\d\) Jobs · batchctl$/);
    expect(await iconOf(page)).to.match(/icon-bad/);
    await suite.goTo(page, `jobs/${job}`);
    await waitForTitle(page, /^\d\d % · claims claims-2026-11 · batchctl$/);
    await suite.goTo(page, 'queues');
    await waitForTitle(page, /^\(\d\) Queues · batchctl$/);
    await page.getByRole('button', { name: 'sign out' }).click();
    await waitForTitle(page, /^Sign in · batchctl$/);
    expect(await iconOf(page)).to.match(/icon-open/);
  });

  it('say in the title when they are not live', async () => {
    const { page, faults } = await suite.open();
    faults.allow = /ERR_|net::/;
    await waitUntilLive(page);
    await suite.server.kill();
    await until('the title says that it is not live', async () => /^not live · Jobs/.test(await page.title()));
    expect(await iconOf(page)).to.match(/icon-doubtful/);
    await suite.server.start();
    await until('the tab is live again', async () => /^\(\d\) Jobs/.test(await page.title()));
  });
});
