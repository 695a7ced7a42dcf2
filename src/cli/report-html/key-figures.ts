import { formatSize } from '../../lib/units.ts';
import type { Report } from '../../model/report/report.ts';
import { formatCount } from '../format.ts';
import { type Html, html, type Insert } from './html.ts';
import { formatPace, formatSeconds, formatShare, known } from './words.ts';

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
    { name: 'Interrupted', value: formatCount(interrupted), note: 'attempts given back unharmed' },
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
    : `${formatShare(lost / (useful + lost))} of it lost to attempts that did not count`;
}

function durationNote(startedAt: string | null, closedAt: string | null): string {
  if (startedAt === null) return 'nothing has started yet';
  return closedAt === null ? 'since it was accepted' : 'from acceptance to the end';
}
