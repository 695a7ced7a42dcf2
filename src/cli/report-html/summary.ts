import { formatSize } from '../../lib/units.ts';
import type { Report } from '../../model/report/report.ts';
import { formatCount, formatMany } from '../format.ts';
import { type Html, html, type Insert } from './html.ts';
import { clip, formatPace, formatSeconds, formatShare, formatWhen, known } from './words.ts';

type Tone = 'good' | 'bad' | 'doubtful' | 'open';

/** What to know about the job if one reads nothing else. */
interface Verdict {
  readonly tone: Tone;
  readonly statement: string;
  readonly sentences: readonly Insert[];
}

/** The job's end (or how far it is) in a statement, and what limits it in a few sentences. */
export function verdictOf(report: Report, zone: string): Verdict {
  return {
    ...stated(report),
    sentences: [
      tasksSentence(report),
      ...skipSentences(report),
      ...totalsSentences(report),
      ...proofSentences(report, zone),
    ],
  };
}

/** The verdict as the page shows it: a sign, the statement, the sentences. */
export function verdictBlock({ tone, statement, sentences }: Verdict): Html {
  return html`<div class="verdict ${tone}"><svg width="40" height="40" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="19"/><path d="${SIGNS[tone]}"/></svg><div><p class="statement">${statement}</p><p>${sentences.map((sentence) => [sentence, ' '])}</p></div></div>`;
}

const SIGNS: Readonly<Record<Tone, string>> = {
  good: 'M11 21l6 6 12-13',
  bad: 'M13 13l14 14M27 13L13 27',
  doubtful: 'M20 10v13M20 28v2',
  open: 'M20 10v11l7 5',
};

function stated(report: Report): Pick<Verdict, 'tone' | 'statement'> {
  const { state, proof, totals, expectations } = report;
  const broken = expectations.some(({ ok }) => ok === false);
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

/** Reasons are stable codes and only grow: one that isn't known here stands as it is. */
function reasonOf({ reason, totals }: Report): string {
  switch (reason) {
    case null:
    case 'failures':
      return `${formatMany(totals.failed, 'task')} failed for good`;
    case 'stopped':
      return 'stopped at the first task that failed for good';
    case 'expect':
      return 'a control total does not hold';
    case 'halt':
      return 'too many tasks failed';
    case 'budget':
      return 'it has reached its cost limit';
    case 'deployment':
      return 'its program seems to be faulty';
    case 'person':
      return 'by a person';
    default:
      return reason;
  }
}

function tasksSentence({ totals }: Report): string {
  const { tasks, done, failed, skipped } = totals;
  const open = tasks - done - failed - skipped;
  if (done === tasks) return `All ${formatMany(tasks, 'task')} done, none failed for good.`;
  const parts = [
    `${formatCount(done)} of ${formatMany(tasks, 'task')} done`,
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
  const closed = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  if (closed) return [html`There is no proof of the current state: <code>batchctl verify ${job}</code> makes one.`];
  return exact ? [] : ['The counts may lag behind the store.'];
}

interface Figure {
  readonly name: string;
  readonly value: Insert;
  readonly note: Insert;
  readonly bad?: boolean;
}

/** The figures that answer most questions, in a strip. */
export function keyFigures(report: Report): Html {
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
    { name: 'Throughput', value: known(totals.rate, formatPace), note: 'tasks done, first start to last end' },
    {
      name: 'Slots in use',
      value: known(totals.utilisation, formatShare),
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
