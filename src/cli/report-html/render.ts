import { createHash } from 'node:crypto';
import type { Comparison } from '../../model/report/compare.ts';
import type { Report } from '../../model/report/report.ts';
import { comparisonSection } from './comparison-section.ts';
import { decisionsSection, originSection, totalsSection } from './evidence-sections.ts';
import { type Html, html, section, trusted } from './html.ts';
import { durationsSection, stepsSection, waitSection } from './step-sections.ts';
import { STYLE } from './style.ts';
import { keyFigures, verdictBlock, verdictOf } from './summary.ts';
import { DEFINITIONS } from './svg.ts';
import { throughputChart } from './throughput-chart.ts';
import { timelineChart } from './timeline-chart.ts';
import { causesSection, slowestSection, workersSection } from './trouble-sections.ts';
import { formatSpan, formatWhen } from './words.ts';

export interface ReportHtmlOptions {
  /** The IANA zone of all times shown. */
  readonly zone: string;
  /** Another run beside this one; null for none. */
  readonly compared: Comparison | null;
}

/**
 * A report as one HTML file: no script, nothing loaded from anywhere, at most 300 KB at any number of tasks. It reads on a
 * phone, on a wide screen, light and dark, and on paper; all that came from outside is escaped.
 */
export function renderReportHtml(report: Report, { zone, compared }: ReportHtmlOptions): string {
  // The only style that counts is the one that is here, even if a text from outside got through.
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'`;
  const verdict = verdictOf(report, zone);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${report.name}${report.period !== null && ` ${report.period}`}: ${verdict.statement}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
${DEFINITIONS}
<main>
${header(report, zone)}
${verdictBlock(verdict)}
${keyFigures(report)}
${compared !== null && comparisonSection(compared, zone)}
${stepsSection(report)}
${throughputSection(report, zone)}
${report.startedAt !== null && ranSections(report, zone)}
${totalsSection(report)}
${decisionsSection(report, zone)}
${originSection(report, zone)}
</main>
<footer>batchctl ${report.version} · all times in ${zone} · sizes in powers of 1,000</footer>
</body>
</html>
`.text;
}

function header({ job, name, period, runKey, createdBy, createdAt, closedAt }: Report, zone: string): Html {
  const when = closedAt === null ? `since ${formatWhen(createdAt, zone)}` : formatSpan(createdAt, closedAt, zone);
  return html`<header><p class="kind">Job report</p><h1>${name}${period !== null && html` <span>${period}</span>`}</h1>
<p class="meta"><span>${when} <span class="muted">${zone}</span></span><span>by ${createdBy}</span><span><code>${job}</code></span>${
    runKey !== null && html`<span>run key <code>${runKey}</code></span>`
  }</p></header>`;
}

/** What only a job that has begun has. */
function ranSections(report: Report, zone: string): Html {
  return html`${durationsSection(report)}
${timelineSection(report, zone)}
${waitSection(report)}
${causesSection(report, zone)}
${slowestSection(report)}
${workersSection(report, zone)}`;
}

function throughputSection(report: Report, zone: string): Html {
  const chart = throughputChart(report.throughput, report.totals.slots, zone);
  return section(
    'throughput',
    'Work over time',
    chart !== null ? 'What was done, what failed, and how many attempts ran at once.' : null,
    chart ?? notDrawn(report),
  );
}

function timelineSection(report: Report, zone: string): Html {
  const { timeline, slowest } = report;
  const chart = timelineChart(timeline, slowest, zone);
  return section(
    'timeline',
    'When each worker was busy',
    chart === null ? null : 'Gaps are idle time: a row that ends early had nothing left to do.',
    chart ?? notDrawn(report),
  );
}

function notDrawn({ startedAt }: Report): Html {
  return html`<p class="note">${startedAt === null ? 'Nothing has run yet.' : 'Too little is known of the attempts to draw them.'}</p>`;
}
