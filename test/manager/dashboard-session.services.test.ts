// Protects: the dashboard can't be used with a bad or revoked token, and says when it is no longer live.
import { expect } from 'chai';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { writeClaimsJob } from '../support/manager/dashboard-jobs.ts';
import { type OpenedPage, signIn } from '../support/manager/dashboard-server.ts';
import { DashboardSuite, waitUntilLive } from '../support/manager/dashboard-suite.ts';
import { keepPicture } from '../support/manager/page-checks.ts';

describe("the dashboard's session", () => {
  const suite = new DashboardSuite({ prepare: ({ workspace }) => writeClaimsJob(workspace) });

  const open = (token: string | null, hash = '', options: BrowserContextOptions = {}): Promise<OpenedPage> =>
    suite.open(hash, options, token);
  const storedText = (page: Page): Promise<string> =>
    page.evaluate<string>('JSON.stringify([{ ...localStorage }, document.cookie, location.href])');

  it('refuses an unknown token with a reason, and stores a valid one only in tabs of this browser', async () => {
    const { page, faults } = await open(`bct_${'x'.repeat(43)}`);
    faults.allow = /401/;
    await page.getByRole('alert').getByText('the token is unknown, revoked or expired').waitFor();
    await keepPicture(page, 'refused');
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
    const token = await suite.server.token('operate', 'kept');
    await signIn(page, token);
    await waitUntilLive(page);
    expect(await storedText(page)).not.to.contain('bct_');
    await page.reload();
    await waitUntilLive(page);
    const other = await open(null);
    await other.page.getByLabel('Token').waitFor();
    await page.getByRole('button', { name: 'sign out' }).click();
    await page.getByLabel('Token').waitFor();
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });

  it('returns to the sign-in when the token is revoked', async () => {
    const token = await suite.server.token('read', 'short-lived');
    const { page, faults } = await open(token);
    faults.allow = /401|ERR_|net::/;
    await waitUntilLive(page);
    await suite.server.revoke('short-lived');
    await page.getByRole('alert').getByText('Sign-in refused:').waitFor();
    expect(await page.evaluate('sessionStorage.length')).to.equal(0);
  });

  it('disables actions that the token does not allow, and says why', async () => {
    const job = await suite.server.workspace.submit();
    const { page } = await open(await suite.server.token('read', 'looker'), `#/jobs/${job}`);
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
    const { page, faults } = await open(await suite.server.token('operate', 'patient'));
    faults.allow = /ERR_|net::|Failed to load/;
    await waitUntilLive(page);
    const linkOf = (job: string) => page.getByRole('link', { name: `claims ${job}`, exact: true });
    const before = await suite.server.workspace.submit();
    await linkOf(before).waitFor();
    await suite.server.kill();
    await page.getByText(/^Not live since \d\d:\d\d:\d\d/).waitFor();
    await keepPicture(page, 'not-live');
    expect(await linkOf(before).count(), 'known jobs stay').to.equal(1);
    await suite.server.start();
    await linkOf(await suite.server.workspace.submit()).waitFor();
    expect(await page.getByText(/^Not live since/).count()).to.equal(0);
  });

  it('keeps a chosen colour scheme, whatever the system prefers', async () => {
    const { page } = await open(await suite.server.token('read', 'owl'), '', { colorScheme: 'light' });
    const ground = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    await waitUntilLive(page);
    expect(await ground()).to.equal('rgb(255, 255, 255)');
    await page.getByRole('button', { name: 'Colours: auto' }).click();
    expect(await ground()).to.equal('rgb(17, 21, 27)');
    await page.reload();
    expect(await ground()).to.equal('rgb(17, 21, 27)');
    await page.getByRole('button', { name: 'Colours: dark' }).click();
    expect(await ground()).to.equal('rgb(255, 255, 255)');
  });
});
