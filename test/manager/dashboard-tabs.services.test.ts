// Protects: many dashboard tabs stay up to date at once, and each shows its state in its title.
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { layClaimsJob } from '../support/manager/dashboard-jobs.ts';
import { signIn } from '../support/manager/dashboard-server.ts';
import { DashboardSuite, putBehind } from '../support/manager/dashboard-suite.ts';
import { until } from '../support/until.ts';

/** More than a browser's connections to one origin. */
const TABS = 9;

describe('tabs of the dashboard', () => {
  let job = '';
  const suite = new DashboardSuite({
    arrange: async ({ workspace }) => {
      layClaimsJob(workspace);
      job = await workspace.submit('--run-key', 'claims-2026-11');
      workspace.start(['worker', '--slots', '2', '--quiet']);
      await until('half of it is done', async () => (await suite.server.status(job)).steps[0]?.failed === 4);
    },
  });
  /** Everything that a job's page loads has arrived. */
  const isWhole = async (page: Page): Promise<void> => {
    for (const text of ['no rate for EUR', 'Slowest tasks']) await page.getByText(text).first().waitFor();
  };
  async function beside(page: Page): Promise<Page> {
    const tab = await page.context().newPage();
    await tab.goto(`${suite.server.address}/#/jobs/${job}`);
    await signIn(tab, await suite.token());
    return tab;
  }
  const iconOf = (page: Page): Promise<string | null> => page.locator('link[rel=icon]').getAttribute('href');

  it('use no connection in the background, and are up to date once in front', async () => {
    const { page } = await suite.look(`#/jobs/${job}`);
    const tabs = [page];
    await isWhole(page);
    while (tabs.length < TABS) {
      await putBehind(tabs.at(-1) as Page, true);
      const tab = await beside(page);
      await isWhole(tab);
      tabs.push(tab);
    }
    await putBehind(tabs.at(-1) as Page, true);
    await suite.server.workspace.well('pause', job);
    await putBehind(page, false);
    await page
      .getByText(/^Paused/)
      .first()
      .waitFor();
    await suite.server.workspace.run(['resume', job]);
    await page
      .getByText(/^Running/)
      .first()
      .waitFor();
  });

  it('stay live with four of them in view, each on a job', async () => {
    const { page } = await suite.look(`#/jobs/${job}`);
    await isWhole(page);
    for (let beyond = 1; beyond < 4; beyond += 1) await isWhole(await beside(page));
  });

  it('show the state of their page in title and icon', async () => {
    const { page } = await suite.look();
    const titled = (tab: Page, title: RegExp): Promise<boolean> =>
      until(`a title like ${title.source}`, async () => title.test(await tab.title()));
    await titled(page, /^\(\d\) Jobs · batchctl$/);
    expect(await iconOf(page)).to.match(/icon-bad/);
    await page.goto(`${suite.server.address}/#/jobs/${job}`);
    await titled(page, /^\d\d % · claims claims-2026-11 · batchctl$/);
    await page.goto(`${suite.server.address}/#/queues`);
    await titled(page, /^\(\d\) Queues · batchctl$/);
    await page.getByRole('button', { name: 'sign out' }).click();
    await titled(page, /^Sign in · batchctl$/);
    expect(await iconOf(page)).to.match(/icon-open/);
  });

  it('say in the title when they are not live', async () => {
    const { page, heard } = await suite.look();
    heard.allow = /ERR_|net::/;
    await page.getByText('live', { exact: true }).waitFor();
    await suite.server.kill();
    await until('the title says so', async () => /^not live · Jobs/.test(await page.title()));
    expect(await iconOf(page)).to.match(/icon-doubtful/);
    await suite.server.start();
    await until('it is live again', async () => /^\(\d\) Jobs/.test(await page.title()));
  });
});
