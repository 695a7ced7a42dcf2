// Protects: focus, scroll position and requests on the dashboard survive updates of the page.

import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { createGates, gate, openGate, writeRangeJob } from '../support/manager/dashboard-jobs.ts';
import { DashboardSuite } from '../support/manager/dashboard-suite.ts';
import { until } from '../support/until.ts';

const TASKS = Array.from({ length: 12 }, (_, at) => at + 1);

describe('the dashboard while its data changes', () => {
  let job = '';
  const suite = new DashboardSuite({
    each: true,
    prepare: async ({ workspace }) => {
      createGates(workspace, ...TASKS.map((n) => `go-${n}`));
      const run = `read n; ${gate('go-$n')}; [ "$n" -gt 6 ] || { echo "no rate" >&2; exit 3; }`;
      writeRangeJob(workspace, 'drip', TASKS.length, { name: 'one', attempts: 1, run });
      job = await workspace.submit();
      workspace.start(['worker', '--slots', '12', '--quiet']);
    },
  });
  /** Lets these tasks end; those up to 6 fail. */
  const endTasks = (...tasks: readonly number[]): void => {
    for (const task of tasks) openGate(suite.server.workspace, `go-${task}`);
  };
  const focused = (page: Page): Promise<string> => page.evaluate<string>('document.activeElement.textContent');

  it('keeps the focus on an element when its text changes', async () => {
    const { page } = await suite.open();
    endTasks(1);
    await page.getByRole('link', { name: `${job}: 1 task failed for good` }).focus();
    endTasks(2);
    await page.getByRole('link', { name: `${job}: 2 tasks failed for good` }).waitFor();
    expect(await focused(page)).to.equal(`${job}: 2 tasks failed for good`);
  });

  it('does not cancel a request in flight when something changes', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    const cancelled: string[] = [];
    page.on('requestfailed', (request) => cancelled.push(request.url()));
    let requests = 0;
    await page.route('**/failures*', async (route) => {
      requests += 1;
      // The first request stays in flight until another task has failed.
      if (requests === 1) {
        endTasks(2);
        await page.getByText('2 failed for good').first().waitFor();
      }
      await route.continue();
    });
    endTasks(1);
    await page.getByText('no rate').first().waitFor();
    await page.locator('.cause-count', { hasText: '2' }).first().waitFor();
    expect(cancelled.filter((url) => url.includes('/failures'))).to.deep.equal([]);
  });

  it('updates a chart in place, and keeps the scroll position', async () => {
    const { page } = await suite.open(`#/jobs/${job}`, { viewport: { width: 1280, height: 400 } });
    endTasks(7, 8);
    const chart = page.locator('.course [role=img]');
    await page.locator('.course canvas').nth(1).waitFor();
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    let before = 0;
    await page.evaluate(`addEventListener('scroll', () => {
      window.highest = Math.min(window.highest ?? Infinity, scrollY);
    })`);
    const labels = () => page.locator('.course .u-label').allTextContents();
    // The chart is redrawn when the unit of rates changes, which may happen on a slow machine.
    for (const task of [9, 10, 11, 12]) {
      const [description, drawn] = [await chart.getAttribute('aria-label'), await labels()];
      before = await page.evaluate<number>('window.highest = scrollY');
      await page.evaluate(`document.querySelector('.course .uplot').dataset.first = 'yes'`);
      endTasks(task);
      await until('the chart shows more', async () => (await chart.getAttribute('aria-label')) !== description);
      if (String(await labels()) === String(drawn)) break;
    }
    expect(await page.locator('.course .uplot').first().getAttribute('data-first')).to.equal('yes');
    expect(await page.evaluate<number>('Math.min(window.highest ?? Infinity, scrollY)')).to.be.at.least(before - 60);
  });

  it('marks only the command that was copied as "copied"', async () => {
    const { page } = await suite.open(`#/jobs/${job}`);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    endTasks(1, 2);
    await page.getByRole('button', { name: /^Retry cause .* 2 of one/ }).click();
    const button = (name: RegExp) => page.getByRole('dialog').getByRole('button', { name });
    await button(/^cop/).click();
    await button(/^copied/).waitFor();
    expect(await page.evaluate<string>('navigator.clipboard.readText()')).to.match(/--canary 1$/);
    await page.getByLabel('Canary tasks').fill('2');
    await button(/^copy .* --canary 2$/).waitFor();
  });

  /** Leaves the list of jobs at this position, in pixels, and returns to it while it is too short to scroll there. */
  const leaveAndReturn = async (position: number): Promise<{ page: Page; grow(): Promise<unknown> }> => {
    const { page } = await suite.open('#/jobs?state=open', { viewport: { width: 1280, height: 260 } });
    const length = (pixels: number) => page.evaluate(`document.querySelector('main').style.minHeight = '${pixels}px'`);
    const link = page.getByRole('link', { name: `drip ${job}`, exact: true });
    await link.waitFor();
    await length(3000);
    await page.evaluate(`scrollTo(0, ${position})`);
    // A real click would scroll to the link first.
    await link.evaluate((element: { click(): void }) => element.click());
    await page.getByRole('heading', { name: 'Steps' }).waitFor();
    expect(await page.evaluate('scrollY'), 'a new page begins at its top').to.equal(0);
    await length(0);
    await page.goBack();
    await link.waitFor();
    expect(page.url()).to.match(/#\/jobs\?state=open$/);
    return { page, grow: () => length(3000) };
  };

  it('returns to the same scroll position when going back, as soon as the page is long enough', async () => {
    const { page, grow } = await leaveAndReturn(1500);
    expect(await page.evaluate<number>('scrollY')).to.be.below(1500);
    await grow();
    await until('the page is scrolled back', async () => (await page.evaluate<number>('scrollY')) === 1500);
  });

  it('does not scroll back once a person has scrolled', async () => {
    const { page, grow } = await leaveAndReturn(1500);
    await page.mouse.move(600, 130);
    await page.mouse.wheel(0, -2000);
    await until('the page is scrolled up', async () => (await page.evaluate<number>('scrollY')) === 0);
    await grow();
    // An observer of sizes is called before the second frame is drawn.
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
    expect(await page.evaluate('scrollY')).to.equal(0);
  });
});
