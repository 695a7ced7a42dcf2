// Protects: the HTML report is readable in a browser, on screen and on paper, and runs no script from job data.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { renderReportHtml } from '../../../src/cli/report-html/render.ts';
import type { Report } from '../../../src/model/answers/report.ts';
import { compareReports } from '../../../src/model/report/compare.ts';
import { openBrowser, openPage, savePicture, screenshotPath } from '../../support/browser.ts';
import { forSuite } from '../../support/fixture.ts';
import { crowded, million, notBegun, tenTasks, twoThousand, underWay } from '../../support/sample-reports.ts';

const ADDRESS = 'http://report.invalid/';
/** Source text, because it runs in the page. */
const FAULTS = readFileSync(new URL('../../fixtures/page-faults.mjs', import.meta.url), 'utf8').replace('export ', '');

describe('the HTML report in a browser', () => {
  const browser = forSuite(openBrowser);
  afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));

  /** Opens a page that may load only itself. `faults`: its other requests, errors and lines on the console. */
  async function open(
    body: string,
    options: BrowserContextOptions,
  ): Promise<{ page: Page; faults: readonly string[] }> {
    const page = await openPage(browser, options);
    const faults: string[] = [];
    page.on('console', (message) => faults.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => faults.push(error.message));
    await page.route('**', (route) => {
      if (route.request().url() === ADDRESS) return route.fulfill({ contentType: 'text/html', body });
      faults.push(`request: ${route.request().url()}`);
      return route.abort();
    });
    await page.goto(ADDRESS);
    return { page, faults: faults.filter((line) => !line.endsWith('/favicon.ico')) };
  }

  const render = (report: Report): Promise<string> =>
    renderReportHtml(report, { zone: 'Europe/London', compared: compareReports(tenTasks(), report, 0.2) });
  const samples = [
    { name: '10-tasks', make: tenTasks, few: false },
    { name: '2000-tasks', make: twoThousand, few: false },
    { name: '1000000-tasks', make: million, few: false },
    { name: 'crowded', make: crowded, few: true },
    { name: 'under-way', make: underWay, few: true },
    { name: 'not-begun', make: notBegun, few: true },
  ];
  const screens = [
    { width: 1280, colorScheme: 'dark' },
    { width: 641, colorScheme: 'light' },
    { width: 390, colorScheme: 'light' },
    { width: 390, colorScheme: 'dark' },
    { width: 1280, colorScheme: 'light' },
  ] as const;

  for (const { name, make, few } of samples) {
    for (const { width, colorScheme } of few ? screens.slice(-2) : screens) {
      it(`is readable: ${name}, ${width} wide, ${colorScheme}`, async () => {
        const { page, faults } = await open(await render(make()), { viewport: { width, height: 900 }, colorScheme });
        expect(await page.evaluate(`${FAULTS}; pageFaults()`)).to.deep.equal([]);
        expect(faults).to.deep.equal([]);
        await savePicture(page, `report-${name}-${width}-${colorScheme}.png`);
      });
    }
  }

  const backgroundOf = (page: Page): Promise<string> =>
    page.evaluate<string>('getComputedStyle(document.body).backgroundColor');

  it('is dark on a dark screen, and light on paper', async () => {
    const { page } = await open(await render(twoThousand()), { colorScheme: 'dark' });
    expect(await backgroundOf(page)).to.equal('rgb(17, 21, 27)');
    await page.emulateMedia({ media: 'print' });
    expect(await backgroundOf(page)).to.equal('rgb(255, 255, 255)');
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
    expect(await backgroundOf(page)).to.equal('rgb(255, 255, 255)');
  });

  it('prints on a few pages, without splitting a chart or cutting it at the edge', async () => {
    const { page } = await open(await render(twoThousand()), { viewport: { width: 718, height: 1000 } });
    const pdf = await page.pdf({ format: 'A4', path: screenshotPath('report-2000-tasks.pdf') });
    const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length;
    expect(pages).to.be.within(3, 9);
    await page.emulateMedia({ media: 'print' });
    const breaks = await page.evaluate(
      `[...document.querySelectorAll('figure')].filter((figure) => figure.querySelector('.timeline') === null)
        .map((figure) => getComputedStyle(figure).breakInside)`,
    );
    expect(breaks).to.include('avoid').and.not.include('auto');
    expect(await page.evaluate('document.documentElement.scrollWidth')).to.be.at.most(718);
    await savePicture(page, 'report-2000-tasks-print.png');
  });

  it('runs no code from the texts of jobs, people and programs', async () => {
    const attack = '<script>document.title="run"</script><img src=x onerror=\'document.title="run"\'>" onload="x';
    const report = twoThousand();
    const { page, faults } = await open(
      await render({
        ...report,
        name: attack,
        runKey: attack,
        createdBy: attack,
        params: { [attack]: attack },
        late: [attack],
        causes: report.causes.map((cause) => ({ ...cause, error: attack, example: { ...cause.example, log: attack } })),
        decisions: report.decisions.map((decision) => ({ ...decision, who: attack, text: attack })),
        timeline: { ...report.timeline, rows: report.timeline.rows.map((row) => ({ ...row, label: attack })) },
      }),
      {},
    );
    expect(await page.evaluate('document.querySelectorAll("script, img, [onload], [onerror]").length')).to.equal(0);
    expect(await page.title()).to.contain('<script>');
    expect(faults).to.deep.equal([]);
  });
});
