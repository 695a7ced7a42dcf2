import { formatSize } from '../../lib/units.ts';
import type { Comparison, Report } from '../../model/answers/report.ts';
import { LATE_TEXT } from '../../model/completeness-text.ts';
import { isClosed } from '../../model/job-state.ts';
import { reasonText } from '../../model/reason-text.ts';
import { formatCount, formatMany } from '../format.ts';
import { formatShare } from '../report-figures.ts';
import { throughputChart, timelineChart } from './charts.ts';
import { clip, formatOrUnknown, formatPace, formatSeconds, formatSpan, formatWhen } from './figures.ts';
import { type Html, html, type Insert, rawHtml, section } from './html.ts';
import {
  causesSection,
  comparisonSection,
  decisionsSection,
  originSection,
  slowestSection,
  totalsSection,
  workersSection,
} from './sections.ts';
import { durationsSection, stepsSection, waitSection } from './step-sections.ts';
import { STYLE } from './style.ts';
import { DEFINITIONS } from './svg.ts';
import { type Tone, VERDICT_SIGNS } from './theme.ts';

export interface ReportHtmlOptions {
  /** The IANA zone of all times shown. */
  readonly zone: string;
  /** Another run to compare with; null for none. */
  readonly compared: Comparison | null;
}

/**
 * A report as one HTML file: no script, no external resources, at most 300 KB for any number of tasks. It is readable
 * on a phone and a wide screen, in light and dark mode, and on paper. All foreign text is escaped.
 */
export async function renderReportHtml(report: Report, { zone, compared }: ReportHtmlOptions): Promise<string> {
  // Only the page's own style may apply, even if foreign text got through unescaped.
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE)));
  const policy = `default-src 'none'; style-src 'sha256-${btoa(String.fromCharCode(...digest))}'; base-uri 'none'; form-action 'none'`;
  const verdict = verdictOf(report, zone);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${rawHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${report.name}${report.period !== null && ` ${report.period}`}: ${verdict.statement}</title>
<style>${rawHtml(STYLE)}</style>
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
${report.startedAt !== null && attemptSections(report, zone)}
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

function attemptSections(report: Report, zone: string): Html {
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
    chart ?? noChartNote(report),
  );
}

function timelineSection(report: Report, zone: string): Html {
  const { timeline, slowest } = report;
  const chart = timelineChart(timeline, slowest, zone);
  return section(
    'timeline',
    'When each worker was busy',
    chart === null ? null : 'Gaps are idle time: a row that ends early had nothing left to do.',
    chart ?? noChartNote(report),
  );
}

function noChartNote({ startedAt }: Report): Html {
  return html`<p class="note">${startedAt === null ? 'Nothing has run yet.' : 'Too little is known of the attempts to draw them.'}</p>`;
}

interface Verdict {
  readonly tone: Tone;
  readonly statement: string;
  readonly sentences: readonly Insert[];
}

/** The job's result (or progress) as a statement, and what limits it in a few sentences. */
export function verdictOf(report: Report, zone: string): Verdict {
  return {
    ...statementOf(report),
    sentences: [
      tasksSentence(report),
      ...skipSentences(report),
      ...totalsSentences(report),
      ...proofSentences(report, zone),
    ],
  };
}

function verdictBlock({ tone, statement, sentences }: Verdict): Html {
  return html`<div class="verdict ${tone}"><svg width="40" height="40" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="19"/><path d="${VERDICT_SIGNS[tone]}"/></svg><div><p class="statement">${statement}</p><p>${sentences.map((sentence) => [sentence, ' '])}</p></div></div>`;
}

function statementOf(report: Report): Pick<Verdict, 'tone' | 'statement'> {
  const { state, proof, totals, expectations } = report;
  const broken = expectations.some(({ ok, accepted }) => ok === false && accepted === undefined);
  switch (state) {
    case 'succeeded':
      if (broken) return { tone: 'bad', statement: 'Finished, but a control total does not hold' };
      if (proof !== null) return { tone: 'good', statement: 'Succeeded · proven' };
      return { tone: 'doubtful', statement: 'Succeeded · not proven yet' };
    case 'failed':
      return { tone: 'bad', statement: `Failed · ${reasonOf(report)}` };
    case 'cancelled':
      return { tone: 'doubtful', statement: 'Cancelled' };
    case 'paused':
      return { tone: 'doubtful', statement: `Paused${report.reason === null ? '' : ` · ${reasonOf(report)}`}` };
    case 'submitted':
    case 'running':
      return totals.done + totals.failed === 0
        ? { tone: 'open', statement: 'Accepted · nothing done yet' }
        : { tone: 'open', statement: `Running · ${formatShare(totals.done / Math.max(1, totals.tasks))} done` };
  }
}

/** A report counts the tasks that failed. */
function reasonOf({ reason, totals }: Report): string {
  return reason === null || reason === 'failures'
    ? `${formatMany(totals.failed, 'task')} failed for good`
    : reasonText(reason);
}

function tasksSentence({ totals, late }: Report): string {
  const { tasks, done, failed, skipped } = totals;
  const open = tasks - done - failed - skipped;
  if (done === tasks && late.length === 0) return `All ${formatMany(tasks, 'task')} done, none failed for good.`;
  const parts = [
    `${formatCount(done)} of ${formatMany(tasks, 'task')} done`,
    ...(late.length > 0 ? [`${formatCount(late.length)} of them ${LATE_TEXT}`] : []),
    failed > 0 ? `${formatCount(failed)} failed for good` : 'none failed for good',
    ...(skipped > 0 ? [`${formatCount(skipped)} skipped`] : []),
    ...(open > 0 ? [`${formatCount(open)} undecided`] : []),
  ];
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}.`;
}

function skipSentences({ decisions, totals }: Report): readonly string[] {
  if (totals.skipped === 0) return [];
  const skips = decisions.filter(({ what }) => what === 'skip');
  const [only, ...others] = skips;
  if (only === undefined) return [];
  if (others.length === 0) return [`By ${only.who}: ${clip(only.text, 160)}.`];
  const who = [...new Set(skips.map((skip) => skip.who))];
  return [`Skipped by ${who.slice(0, 3).join(', ')}${who.length > 3 ? ' and others' : ''}, as listed under Decisions.`];
}

function totalsSentences({ expectations }: Report): readonly string[] {
  if (expectations.length === 0) return [];
  const holding = expectations.filter(({ ok }) => ok === true).length;
  const open = expectations.filter(({ ok }) => ok === null).length;
  if (open === expectations.length) return ['It is not known yet whether its control totals hold.'];
  const rest = open === 0 ? '' : `, ${formatCount(open)} not known yet`;
  const accepted = expectations.filter((each) => each.accepted !== undefined).length;
  if (accepted > 0)
    return [
      `${formatCount(accepted)} of ${formatMany(expectations.length, 'control total')} accepted although not met.`,
    ];
  if (expectations.length === 1 && open === 0)
    return [`Its control total ${holding === 1 ? 'holds' : 'does not hold'}.`];
  if (holding === expectations.length) return [`All ${formatCount(holding)} control totals hold.`];
  return [
    `${formatCount(holding)} of ${formatMany(expectations.length, 'control total')} ${holding === 1 ? 'holds' : 'hold'}${rest}.`,
  ];
}

function proofSentences({ job, state, proof, exact }: Report, zone: string): readonly Insert[] {
  if (proof !== null) {
    const how = proof.deep ? 'every byte was read' : 'sizes and checksums were compared, but bytes were not read again';
    return [`Proven on ${formatWhen(proof.when, zone)}: ${how}.`];
  }
  if (isClosed(state))
    return [html`There is no proof of the current state: <code>batchctl verify ${job}</code> makes one.`];
  return exact ? [] : ['The counts may lag behind the store.'];
}

interface Figure {
  readonly name: string;
  readonly value: Insert;
  readonly note: Insert;
  readonly bad?: boolean;
}

function keyFigures(report: Report): Html {
  return html`<dl class="figures">${figuresOf(report).map(
    ({ name, value, note, bad }) =>
      html`<div${bad === true && html` class="bad"`}><dt>${name}</dt><dd>${value}</dd><dd class="small">${note}</dd></div>`,
  )}</dl>`;
}

function figuresOf({ totals, seconds, closedAt, startedAt, inputs }: Report): readonly Figure[] {
  const { tasks, done, failed, skipped, attempts, retried, interrupted } = totals;
  return [
    {
      name: closedAt === null ? 'Duration so far' : 'Duration',
      value: formatSeconds(seconds),
      note: durationNote(startedAt, closedAt),
    },
    {
      name: 'Tasks done',
      value: formatCount(done),
      note: `of ${formatCount(tasks)}${skipped > 0 ? `, ${formatCount(skipped)} skipped` : ''}`,
    },
    {
      name: 'Throughput',
      value: formatOrUnknown(totals.rate, formatPace),
      note: 'tasks done, first start to last end',
    },
    {
      name: 'Slots in use',
      value: formatOrUnknown(totals.utilisation, formatShare),
      note: lostNote(totals.usefulSeconds, totals.lostSeconds),
    },
    {
      name: 'Failed for good',
      value: formatCount(failed),
      note: failed === 0 ? 'no task' : `${formatShare(failed / Math.max(1, tasks))} of the tasks`,
      bad: failed > 0,
    },
    { name: 'Tried again', value: formatCount(retried), note: `failed attempts, of ${formatCount(attempts)} in all` },
    { name: 'Interrupted', value: formatCount(interrupted), note: 'attempts returned without counting as failed' },
    {
      name: 'Data read',
      value: formatSize(totals.bytesIn),
      note: `${formatSize(totals.bytesOut)} written${inputs.records === null ? '' : `; ${formatCount(inputs.records)} records in`}`,
    },
  ];
}

function lostNote(useful: number, lost: number): string {
  if (useful + lost === 0) return 'nothing has run';
  return lost / (useful + lost) < 0.0005
    ? 'all of it useful work'
    : `${formatShare(lost / (useful + lost))} of it lost to unsuccessful attempts`;
}

function durationNote(startedAt: string | null, closedAt: string | null): string {
  if (startedAt === null) return 'nothing has started yet';
  return closedAt === null ? 'since it was accepted' : 'from acceptance to the end';
}
