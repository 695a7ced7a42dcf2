// Protects: the dashboard can't be used with a bad or revoked token, and says when it is no longer live.
import { expect } from 'chai';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { layClaimsJob } from '../support/manager/dashboard-jobs.ts';
import { type Opened, signIn } from '../support/manager/dashboard-server.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { keepPicture } from '../support/manager/page-checks.ts';

describe("the dashboard's session", () => {
  const suite = new DashboardSuite({ arrange: ({ workspace }) => layClaimsJob(workspace) });

  const look = (token: string | null, hash = '', options: BrowserContextOptions = {}): Promise<Opened> =>
    suite.look(hash, options, token);
  const kept = (page: Page): Promise<string> =>
    page.evaluate<string>('JSON.stringify([{ ...localStorage }, document.cookie, location.href])');

  it('refuses an unknown token with a reason, and keeps a valid one in this tab only', async () => {
    const { page, heard } = await look(`bct_${'x'.repeat(43)}`);
    heard.allow = /401/;
    await page.getByRole('alert').getByText('the token is unknown, revoked or expired').waitFor();
    await keepPicture(page, 'refused');
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
    const token = await suite.server.token('operate', 'kept');
    await signIn(page, token);
    await page.getByText('live', { exact: true }).waitFor();
    expect(await kept(page)).not.to.contain('bct_');
    await page.reload();
    await page.getByText('live', { exact: true }).waitFor();
    const other = await page.context().newPage();
    await other.goto(suite.server.address);
    await other.getByLabel('Token').waitFor();
    await page.getByRole('button', { name: 'sign out' }).click();
    await page.getByLabel('Token').waitFor();
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });

  it('returns to the sign-in when the token is revoked', async () => {
    const token = await suite.server.token('read', 'short-lived');
    const { page, heard } = await look(token);
    heard.allow = /401|ERR_|net::/;
    await page.getByText('live', { exact: true }).waitFor();
    await suite.server.revoke('short-lived');
    await page.getByRole('alert').getByText('Sign-in refused:').waitFor();
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });

  it('disables actions that the token does not allow, and says why', async () => {
    const job = await suite.server.workspace.submit();
    const { page } = await look(await suite.server.token('read', 'looker'), `#/jobs/${job}`);
    const pause = page.getByRole('button', { name: /^Pause/ });
    await pause.waitFor();
    await page.getByText('The token looker has the scope read').waitFor();
    expect(await pause.getAttribute('aria-disabled')).to.equal('true');
    expect(await pause.getAttribute('title')).to.equal(
      'requires a token with the scope operate; this one has the scope read',
    );
    await pause.click({ force: true });
    expect(await page.getByRole('dialog').count()).to.equal(0);
  });

  it('says since when it is not live after the manager dies, and reconnects by itself', async () => {
    const { page, heard } = await look(await suite.server.token('operate', 'patient'));
    heard.allow = /ERR_|net::|Failed to load/;
    await page.getByText('live', { exact: true }).waitFor();
    const [first] = await Promise.all([page.locator('main tbody tr').count()]);
    await suite.server.kill();
    await page.getByText(/^Not live since \d\d:\d\d:\d\d/).waitFor();
    await keepPicture(page, 'not-live');
    expect(await page.locator('main tbody tr').count(), 'what was known stays').to.equal(first);
    await suite.server.start();
    const job = await suite.server.workspace.submit();
    await page.getByRole('link', { name: `claims ${job}`, exact: true }).waitFor();
    expect(await page.getByText(/^Not live since/).count()).to.equal(0);
  });

  it('keeps a chosen colour scheme, whatever the system prefers', async () => {
    const { page } = await look(await suite.server.token('read', 'owl'), '', { colorScheme: 'light' });
    const ground = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    await page.getByText('live', { exact: true }).waitFor();
    expect(await ground()).to.equal('rgb(255, 255, 255)');
    await page.getByRole('button', { name: 'Colours: auto' }).click();
    expect(await ground()).to.equal('rgb(17, 21, 27)');
    await page.reload();
    expect(await ground()).to.equal('rgb(17, 21, 27)');
    await page.getByRole('button', { name: 'Colours: dark' }).click();
    expect(await ground()).to.equal('rgb(255, 255, 255)');
  });
});
