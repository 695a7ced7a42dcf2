// Protects: the dashboard works behind a reverse proxy that serves it below a path.
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { openBrowser, openPage } from '../support/browser.ts';
import { DashboardServer, signIn } from '../support/manager/dashboard-server.ts';
import { PrefixProxy } from '../support/servers/proxies.ts';

describe('the page below a path of a reverse proxy', () => {
  let browser: Browser | null = null;
  let server: DashboardServer | null = null;
  let proxy: PrefixProxy | null = null;

  after(async () => {
    await browser?.close();
    await proxy?.stop();
    await server?.close();
  });

  it('requests nothing outside of it, and is live', async () => {
    browser = await openBrowser();
    server = await DashboardServer.open();
    proxy = await PrefixProxy.start(server.address);
    const page = await openPage(browser);
    await page.goto(`${proxy.url}/`);
    await signIn(page, await server.token('read'));
    await page.getByText('live', { exact: true }).waitFor();
    expect(proxy.strays).to.deep.equal([]);
  });
});
