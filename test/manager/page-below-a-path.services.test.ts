// Protects: the dashboard works behind a reverse proxy that serves it below a path.
import { expect } from 'chai';
import { openBrowser, openPage } from '../support/browser.ts';
import { forSuite } from '../support/fixture.ts';
import { DashboardServer, signIn } from '../support/manager/dashboard-server.ts';
import { waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { PrefixProxy } from '../support/servers/proxies.ts';

describe('the page below a path of a reverse proxy', () => {
  const browser = forSuite(() => openBrowser());
  const server = forSuite(() => DashboardServer.open());
  const proxy = forSuite(() => PrefixProxy.start(server.address));

  it('makes no requests outside the path, and is live', async () => {
    const page = await openPage(browser);
    await page.goto(`${proxy.url}/`);
    await signIn(page, await server.token('read'));
    await waitUntilLive(page);
    expect(proxy.strays).to.deep.equal([]);
  });
});
