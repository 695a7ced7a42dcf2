// Protects: the whole dashboard can be used without a mouse.
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { openGate, writeClaimsJob, writeRates } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';

describe('the dashboard without a mouse', () => {
  let job = '';
  const suite = new DashboardSuite({
    prepare: async ({ workspace }) => {
      writeClaimsJob(workspace);
      openGate(workspace);
      job = await workspace.submit();
      await workspace.submit('--run-key', 'second');
      await workspace.work({}, '--slots', '2', '--quiet');
    },
  });

  async function open(): Promise<Page> {
    const { page } = await suite.open('', {}, null);
    await page.evaluate(`addEventListener('mousedown', () => { document.body.dataset.mouse = 'used' }, true)`);
    await page.getByLabel('Token').waitFor();
    // The field has the focus.
    await page.keyboard.type(await suite.token());
    await page.keyboard.press('Enter');
    await page.locator('main tbody tr').first().waitFor();
    return page;
  }
  const focused = (page: Page): Promise<string> =>
    page.evaluate<string>(`(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()`);
  async function tabTo(page: Page, name: RegExp): Promise<void> {
    const others: string[] = [];
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab');
      const found = await focused(page);
      if (name.test(found)) return;
      others.push(found);
    }
    throw new Error(`expected ${name} among the stops of the Tab key, found ${others.join(' | ')}`);
  }

  it('signs in, finds a job, retries a cause of it and signs out', async () => {
    const page = await open();
    await page.keyboard.press('/');
    await page.keyboard.type(job);
    await page.locator('main tbody tr').nth(1).waitFor({ state: 'detached' });
    await tabTo(page, new RegExp(`^claims ${job}$`));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: /^Retry cause .* 3 of price/ }).waitFor();
    expect(await page.evaluate('document.activeElement.tagName'), 'the focus moves to the new page').to.equal('MAIN');
    await tabTo(page, /^Retry cause .* 3 of price/);
    writeRates(suite.server.workspace);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    // Nothing behind the dialog can be reached.
    for (let presses = 0; presses < 12; presses += 1) {
      await page.keyboard.press('Tab');
      const isInside = `document.activeElement === document.body || document.activeElement.closest('dialog') !== null`;
      expect(await page.evaluate(isInside)).to.equal(true);
    }
    await page.keyboard.press('Escape');
    expect(await focused(page), 'the focus returns to the button').to.match(/^Retry cause/);
    await page.keyboard.press('Enter');
    await page.getByLabel('Canary tasks').waitFor();
    await page.keyboard.press('Enter');
    await page.getByText(/^Done\. Round 1 retries 3 tasks/).waitFor();
    await page.getByRole('button', { name: 'Close' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await suite.server.workspace.work({}, '--quiet');
    expect((await suite.server.status(job)).steps[0]).to.include({ done: 39, failed: 1 });
    await tabTo(page, /^sign out$/);
    await page.keyboard.press('Enter');
    await page.getByLabel('Token').waitFor();
    expect(await page.evaluate('document.body.dataset.mouse ?? null'), 'no mouse was used').to.equal(null);
  });

  it('moves between rows with arrows and letters, and makes a list one stop of the Tab key', async () => {
    const page = await open();
    await page.locator('main tbody tr').nth(1).waitFor();
    expect(await page.locator('main tbody a[tabindex="0"]').count()).to.equal(1);
    await page.keyboard.press('j');
    const first = await focused(page);
    await page.keyboard.press('ArrowDown');
    const second = await focused(page);
    expect(second).not.to.equal(first);
    await page.keyboard.press('k');
    expect(await focused(page)).to.equal(first);
    await page.keyboard.press('End');
    expect(await focused(page)).to.equal(second);
  });

  it('lists its shortcuts under ?, and lets people turn single-key shortcuts off', async () => {
    const page = await open();
    await page.keyboard.press('2');
    await page.getByRole('heading', { name: 'Workers', level: 1 }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('this list').waitFor();
    await page.keyboard.press('Tab');
    while (!/^$/.test(await focused(page))) await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('1');
    await page.keyboard.press('?');
    expect(await page.getByRole('dialog').count()).to.equal(0);
    expect(page.url()).to.match(/#\/workers$/);
  });

  it('offers a link to the main content as the first stop of the Tab key', async () => {
    const page = await open();
    await page.evaluate('document.activeElement.blur()');
    await page.keyboard.press('Tab');
    expect(await focused(page)).to.equal('Skip to main content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.tagName')).to.equal('MAIN');
  });
});
