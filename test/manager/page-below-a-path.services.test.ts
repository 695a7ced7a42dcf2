// Protects: the dashboard works behind a reverse proxy that serves it below a path.
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { openBrowser, openPage } from '../support/browser.ts';
import { DashboardDesk, signIn } from '../support/manager/dashboard-desk.ts';
import { PrefixProxy } from '../support/manager/prefix-proxy.ts';

describe('the page below a path of a reverse proxy', () => {
  let browser: Browser | null = null;
  let desk: DashboardDesk | null = null;
  let proxy: PrefixProxy | null = null;

  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await desk?.close();
  });

  it('asks for nothing outside it, and is live', async () => {
    browser = await openBrowser();
    desk = await DashboardDesk.open();
    proxy = await PrefixProxy.start(desk.address);
    const page = await openPage(browser);
    await page.goto(`${proxy.url}/`);
    await signIn(page, await desk.token('read'));
    await page.getByText('live', { exact: true }).waitFor({ timeout: 45_000 });
    expect(proxy.strays).to.deep.equal([]);
  });
});
