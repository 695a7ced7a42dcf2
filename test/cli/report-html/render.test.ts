// Protects: the HTML report states the true verdict, escapes all foreign text, loads nothing and stays small.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { renderReportHtml, verdictOf } from '../../../src/cli/report-html/render.ts';
import type { Report } from '../../../src/model/answers/report.ts';
import { compareReports } from '../../../src/model/report/compare.ts';
import { at, crowded, million, notBegun, tenTasks, twoThousand } from '../../support/sample-reports.ts';

function page(report: Report, zone = 'UTC'): string {
  return renderReportHtml(report, { zone, compared: null });
}

/** What a person reads, without markup. */
function wordsOf(html: string): string {
  return html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#39;/g, "'")
    .replace(/\s+/g, ' ');
}

/** Every text of a value replaced, as if all came from an attacker. */
function poisoned<T>(value: T, poison: string): T;
function poisoned(value: unknown, poison: string): unknown {
  if (typeof value === 'string') return value + poison;
  if (Array.isArray(value)) return value.map((one) => poisoned(one, poison));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, poisoned(one, poison)]));
}

describe('the HTML report', () => {
  it('escapes all foreign text', () => {
    const report = twoThousand();
    const { state, createdAt, startedAt, endedAt, closedAt, throughput } = report;
    const kept = { state, createdAt, startedAt, endedAt, closedAt, throughput };
    const timesKept: Report = {
      ...poisoned(report, `<script>"'&</script>`),
      ...kept,
      timeline: { ...poisoned(report.timeline, '<script>'), from: report.timeline.from },
      proof: { key: '<script>', when: at(0), deep: true },
      workers: report.workers.map((one) => ({ ...one, worker: '<script>', host: '"><script>' })),
      causes: report.causes.map((one) => ({ ...poisoned(one, '<script>'), firstAt: at(0), lastAt: at(1) })),
      decisions: report.decisions.map((one) => ({ ...one, who: '<script>', what: '<script>', text: '<script>' })),
    };
    const html = page(timesKept);
    expect(html).to.not.match(/<\/?script/i);
    expect(html).to.contain('&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;');
  });

  it('shows characters that would hide or change a text', () => {
    const report = twoThousand();
    const html = page({ ...report, labels: { note: 'a\u001b[31mb\u202ec\u0000' } });
    expect(html).to.contain('a␛[31mb\ufffdc␀');
  });

  it('loads nothing from anywhere, and allows nothing but its own style', () => {
    const html = page(twoThousand());
    expect(html).to.not.match(/https?:|<link|<img|<script|\bsrc=|@import|url\((?!#)/);
    const style = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? '';
    expect(html).to.contain(
      `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    );
  });

  it('stays below 300 KB with a million tasks, and with the longest possible lists and texts', () => {
    const largest = crowded();
    const restless: Report = {
      ...largest,
      // No attempt succeeded.
      steps: largest.steps.map((step) => ({ ...step, duration: null })),
      timeline: {
        ...{ from: at(0), seconds: 33_000, hidden: 0, sampled: 1, waiting: [] },
        rows: Array.from({ length: 64 }, (_, i) => ({
          ...{ label: `worker-${i} slot 0`, worker: `worker-${i}`, slots: 1, busy: 0.9, shares: null },
          bars: Array.from({ length: 31 }, (__, bar) => ({
            ...{ start: bar * 1000, end: bar * 1000 + 900, task: `price/${i * 31 + bar}` },
            ...{ attempt: 1, reason: 'exit', exitCode: 3 },
            outcome: bar % 2 === 0 ? ('failedAttempt' as const) : ('interrupted' as const),
          })),
        })),
      },
    };
    for (const report of [largest, restless, million(), twoThousand()]) {
      expect(Buffer.byteLength(page(report))).to.be.below(300_000);
    }
  });

  it('says what is unknown, and shows no 0 for it', () => {
    const words = wordsOf(page(notBegun()));
    expect(words).to.contain('Throughput not known');
    expect(words).to.contain('Slots in use not known');
    expect(words).to.contain('Records of input not known');
    expect(words).to.contain('Cost not known');
    expect(words).to.contain('Nothing has run yet.');
    expect(words).to.contain('price.records == input.records not known not known not known yet');
  });

  it('omits charts of what has not happened', () => {
    expect(page(notBegun())).to.not.contain('class="chart"');
    expect(wordsOf(page(tenTasks()))).to.contain('No attempt failed and none was interrupted.');
  });

  it('shows all times in the zone', () => {
    expect(wordsOf(page(tenTasks(), 'Europe/London'))).to.contain('30 Nov 2026, 18:30:00 to 18:30:18 Europe/London');
    expect(wordsOf(page(tenTasks(), 'Asia/Tokyo'))).to.contain('1 Dec 2026, 03:30:00 to 03:30:18 Asia/Tokyo');
  });

  it('names each cause, its example and the place of its log', () => {
    const report = twoThousand();
    const words = wordsOf(page(report));
    const { cause, example } = report.causes.find(({ reason }) => reason === 'timeout') ?? {};
    expect(words).to.contain(`${cause} price, timeout took longer than &lt;n&gt;`);
    expect(words).to.contain(`such as ${example?.task}: took longer than 60s`);
    expect(words).to.contain('Logs are in the store below jobs/claims-20261130-1830-k7m2q/steps/');
    expect(words).to.contain(`log ${example?.log.slice(example.log.indexOf('price/'))}`);
    expect(words).to.contain('batchctl retry claims-20261130-1830-k7m2q --cause CAUSE');
  });

  it('names who skipped which task and why, and both sides of a control total', () => {
    const words = wordsOf(page(twoThousand()));
    expect(words).to.contain('By ana@ops-1: skipped price/1777: the insurer withdrew the file.');
    expect(words).to.contain('price.records == input.records 100,000,000 101,050,000 ✕ no');
  });

  it('compares with another run, and says first what got worse', () => {
    const report = tenTasks();
    const compared = compareReports({ ...report, seconds: report.seconds / 2 }, report, 0.2);
    const words = wordsOf(renderReportHtml(report, { zone: 'UTC', compared }));
    expect(words).to.match(/Worse by more than 20 %: total time: /);
    expect(words).to.match(/total time 9\.\d+s 1\ds \+100 % ▲ regressed/);
    expect(
      wordsOf(renderReportHtml(report, { zone: 'UTC', compared: compareReports(report, report, 0.2) })),
    ).to.contain('No relevant figure is worse by more than 20 %.');
  });

  describe('its verdict', () => {
    const ten = tenTasks();
    const undecided = { ...ten.totals, done: 4 };
    for (const { what, report, statement, tone } of [
      { what: 'proven', report: ten, statement: 'Succeeded · proven', tone: 'good' },
      { what: 'unproven', report: { ...ten, proof: null }, statement: 'Succeeded · not proven yet', tone: 'doubtful' },
      {
        ...{ what: 'with a broken total', statement: 'Finished, but a control total does not hold', tone: 'bad' },
        report: { ...ten, expectations: ten.expectations.map((one) => ({ ...one, ok: false })) },
      },
      { what: 'failed', report: twoThousand(), statement: 'Failed · 21 tasks failed for good', tone: 'bad' },
      {
        ...{ what: 'with a reason of a later version', statement: 'Failed · somethingNew', tone: 'bad' },
        report: { ...twoThousand(), reason: 'somethingNew' },
      },
      {
        ...{ what: 'running', statement: 'Running · 36 % done', tone: 'open' },
        report: { ...ten, state: 'running' as const, closedAt: null, proof: null, totals: undecided },
      },
      {
        ...{ what: 'paused by its guard', statement: 'Paused · too many tasks failed', tone: 'doubtful' },
        report: { ...ten, state: 'paused' as const, reason: 'halt', closedAt: null, proof: null, totals: undecided },
      },
      {
        ...{ what: 'paused for a secret', statement: 'Paused · a secret cannot be read', tone: 'doubtful' },
        report: { ...ten, state: 'paused' as const, reason: 'secret', closedAt: null, proof: null, totals: undecided },
      },
      { what: 'not begun', report: notBegun(), statement: 'Accepted · nothing done yet', tone: 'open' },
    ]) {
      it(`describes a job that is ${what}`, () => {
        expect(verdictOf(report, 'UTC')).to.include({ statement, tone });
        expect(wordsOf(page(report))).to.contain(statement);
      });
    }
  });
});
