// Protects: the HTML report states the true verdict, escapes all foreign text, loads nothing and stays small.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { renderReportHtml, verdictOf } from '../../../src/cli/report-html/render.ts';
import type { Report } from '../../../src/model/answers/report.ts';
import { compareReports } from '../../../src/model/report/compare.ts';
import { at, crowded, million, notBegun, tenTasks, twoThousand } from '../../support/sample-reports.ts';

function page(report: Report, zone = 'UTC'): Promise<string> {
  return renderReportHtml(report, { zone, compared: null });
}

/** The text of a page, without markup. */
function textOf(html: string): string {
  return html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#39;/g, "'")
    .replace(/\s+/g, ' ');
}

/** Appends an attack to every text of a value. */
function poisoned<T>(value: T, poison: string): T;
function poisoned(value: unknown, poison: string): unknown {
  if (typeof value === 'string') return value + poison;
  if (Array.isArray(value)) return value.map((one) => poisoned(one, poison));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, poisoned(one, poison)]));
}

describe('the HTML report', () => {
  it('escapes all foreign text', async () => {
    const report = twoThousand();
    const { state, createdAt, startedAt, endedAt, closedAt, throughput } = report;
    const hostile: Report = {
      ...poisoned(report, `<script>"'&</script>`),
      state,
      createdAt,
      startedAt,
      endedAt,
      closedAt,
      throughput,
      timeline: { ...poisoned(report.timeline, '<script>'), from: report.timeline.from },
      proof: { key: '<script>', when: at(0), deep: true },
      workers: report.workers.map((worker) => ({ ...worker, worker: '<script>', host: '"><script>' })),
      causes: report.causes.map((cause) => ({ ...poisoned(cause, '<script>'), firstAt: at(0), lastAt: at(1) })),
      decisions: report.decisions.map((decision) => ({
        ...decision,
        who: '<script>',
        what: '<script>',
        text: '<script>',
      })),
    };
    const html = await page(hostile);
    expect(html).to.not.match(/<\/?script/i);
    expect(html).to.contain('&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;');
  });

  it('shows characters that would hide or change a text', async () => {
    const report = twoThousand();
    const html = await page({ ...report, labels: { note: 'a\u001b[31mb\u202ec\u0000' } });
    expect(html).to.contain('a␛[31mb\ufffdc␀');
  });

  it('loads nothing, and allows only its own style', async () => {
    const html = await page(twoThousand());
    expect(html).to.not.match(/https?:|<link|<img|<script|\bsrc=|@import|url\((?!#)/);
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(html).to.contain(`default-src 'none'; style-src 'sha256-${hash}'`);
  });

  it('stays below 300 KB with a million tasks, and with the longest possible lists and texts', async () => {
    const largest = crowded();
    const barsOf = (row: number) =>
      Array.from({ length: 31 }, (_, bar) => ({
        start: bar * 1000,
        end: bar * 1000 + 900,
        task: `price/${row * 31 + bar}`,
        attempt: 1,
        reason: 'exit',
        exitCode: 3,
        outcome: bar % 2 === 0 ? ('failedAttempt' as const) : ('interrupted' as const),
      }));
    const rows = Array.from({ length: 64 }, (_, row) => ({
      label: `worker-${row} slot 0`,
      worker: `worker-${row}`,
      slots: 1,
      busy: 0.9,
      shares: null,
      bars: barsOf(row),
    }));
    const withoutSuccess: Report = {
      ...largest,
      steps: largest.steps.map((step) => ({ ...step, duration: null })),
      timeline: { from: at(0), seconds: 33_000, hidden: 0, sampled: 1, waiting: [], rows },
    };
    for (const report of [largest, withoutSuccess, million(), twoThousand()]) {
      expect(Buffer.byteLength(await page(report))).to.be.below(300_000);
    }
  });

  it('says what is unknown, and shows no 0 for it', async () => {
    const text = textOf(await page(notBegun()));
    for (const expected of [
      'Throughput not known',
      'Slots in use not known',
      'Records of input not known',
      'Cost not known',
      'Nothing has run yet.',
      'price.records == input.records not known not known not known yet',
    ])
      expect(text).to.contain(expected);
  });

  it('omits charts of what has not happened', async () => {
    expect(await page(notBegun())).to.not.contain('class="chart"');
    expect(textOf(await page(tenTasks()))).to.contain('No attempt failed and none was interrupted.');
  });

  it('shows all times in the zone', async () => {
    expect(textOf(await page(tenTasks(), 'Europe/London'))).to.contain(
      '30 Nov 2026, 18:30:00 to 18:30:18 Europe/London',
    );
    expect(textOf(await page(tenTasks(), 'Asia/Tokyo'))).to.contain('1 Dec 2026, 03:30:00 to 03:30:18 Asia/Tokyo');
  });

  it('names each cause, an example and its log', async () => {
    const report = twoThousand();
    const text = textOf(await page(report));
    const { cause, example } = report.causes.find(({ reason }) => reason === 'timeout') ?? {};
    expect(text).to.contain(`${cause} price, timeout took longer than &lt;n&gt;`);
    expect(text).to.contain(`such as ${example?.task}: took longer than 60s`);
    expect(text).to.contain('Logs are in the store below jobs/claims-20261130-1830-k7m2q/steps/');
    expect(text).to.contain(`log ${example?.log.slice(example.log.indexOf('price/'))}`);
    expect(text).to.contain('batchctl retry claims-20261130-1830-k7m2q --cause CAUSE');
  });

  it('says who skipped which task and why, and shows both sides of a control total', async () => {
    const text = textOf(await page(twoThousand()));
    expect(text).to.contain('By ana@ops-1: skipped price/1777: the insurer withdrew the file.');
    expect(text).to.contain('price.records == input.records 100,000,000 101,050,000 ✕ no');
  });

  it('compares with another run, and names first what got worse', async () => {
    const report = tenTasks();
    const compared = compareReports({ ...report, seconds: report.seconds / 2 }, report, 0.2);
    const text = textOf(await renderReportHtml(report, { zone: 'UTC', compared }));
    expect(text).to.match(/Worse by more than 20%: total time: /);
    expect(text).to.match(/total time 9\.\d+s 1\ds \+100 % ▲ regressed/);
    const same = compareReports(report, report, 0.2);
    const unchanged = textOf(await renderReportHtml(report, { zone: 'UTC', compared: same }));
    expect(unchanged).to.contain('No relevant figure is worse by more than 20%.');
  });

  it('shows costs below a cent, and every difference of money', async () => {
    const report = (usd: number): Report => ({ ...tenTasks(), cost: { usd, basis: 'measured' } });
    const compared = (before: number, now: number) => compareReports(report(before), report(now), 0.2);
    const text = async (before: number, now: number) =>
      textOf(await renderReportHtml(report(now), { zone: 'UTC', compared: compared(before, now) }));
    expect(await text(0.0021, 0.0042))
      .to.contain('cost $0.0021 $0.0042 +100% (+$0.0021) ▲ regressed')
      .and.contain('Cost $0.0042 measured');
    expect(await text(10_000, 9_999.5)).to.contain('cost $10,000.00 $9,999.50 -$0.50');
  });

  describe('its verdict', () => {
    const ten = tenTasks();

    it('does not count late outputs among those that were used', () => {
      const [all] = verdictOf(ten, 'UTC').sentences;
      expect(all).to.equal('All 11 tasks done, none failed for good.');
      const [some] = verdictOf({ ...ten, late: ['price/3'] }, 'UTC').sentences;
      expect(some).to.equal('11 of 11 tasks done, 1 of them late (kept, not used) and none failed for good.');
    });

    const open = { ...ten, closedAt: null, proof: null, totals: { ...ten.totals, done: 4 } };
    const broken = { ...ten, expectations: ten.expectations.map((expectation) => ({ ...expectation, ok: false })) };
    const paused = (reason: string): Report => ({ ...open, state: 'paused', reason });
    const failed = twoThousand();
    for (const [what, report, statement, tone] of [
      ['proven', ten, 'Succeeded · proven', 'good'],
      ['unproven', { ...ten, proof: null }, 'Succeeded · not proven yet', 'doubtful'],
      ['with a broken total', broken, 'Finished, but a control total does not hold', 'bad'],
      ['failed', failed, 'Failed · 21 tasks failed for good', 'bad'],
      ['with a reason of a later version', { ...failed, reason: 'somethingNew' }, 'Failed · somethingNew', 'bad'],
      ['running', { ...open, state: 'running' }, 'Running · 36% done', 'open'],
      ['paused by its guard', paused('halt'), 'Paused · too many tasks failed', 'doubtful'],
      ['paused for a secret', paused('secret'), 'Paused · a secret cannot be read', 'doubtful'],
      ['not begun', notBegun(), 'Accepted · nothing done yet', 'open'],
    ] as const) {
      it(`describes a job that is ${what}`, async () => {
        expect(verdictOf(report, 'UTC')).to.include({ statement, tone });
        expect(textOf(await page(report))).to.contain(statement);
      });
    }
  });
});
