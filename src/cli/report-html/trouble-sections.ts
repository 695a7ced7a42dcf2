import { formatSize } from '../../lib/units.ts';
import type { Report } from '../../model/report/report.ts';
import { formatCount, formatMany } from '../format.ts';
import { andMore, code, type Html, html, section, table } from './html.ts';
import { betweenOf, clip, formatSeconds, known } from './words.ts';

const CAUSES = 20;
const SLOWEST = 10;
const WORKERS = 20;

/** Why attempts failed: each cause once, with one example to look at. */
export function causesSection({ job, causes }: Report, zone: string): Html {
  if (causes.length === 0) {
    return section('causes', 'Why attempts failed', null, html`<p class="note">No attempt failed.</p>`);
  }
  const shown = causes.slice(0, CAUSES);
  return section(
    'causes',
    'Why attempts failed',
    html`Failures are grouped by step, exit code and error line, ignoring numbers, ids and times in the line. ${logsLie(job)}`,
    [
      table('Causes of failed attempts', shown, [
        {
          title: 'cause',
          value: ({ cause, step, exitCode, reason }) =>
            html`${code(cause)}<small>${step}, ${exitCode === null ? reason : `exit ${exitCode}`}</small>`,
          as: 'name',
        },
        {
          title: 'message',
          value: ({ error, example, badInput }) =>
            html`<code class="error">${error === '' ? '(nothing)' : clip(error)}</code>${
              badInput > 0 &&
              html`<small>${formatMany(badInput, 'task')} failed on at least two workers: bad input?</small>`
            }<small>such as ${example.task}${
              example.error !== null && example.error !== error && html`: ${clip(example.error, 160)}`
            }</small><small>log ${logOf(job, example.log)}</small>`,
          as: 'text',
        },
        { title: 'attempts', value: ({ attempts }) => formatCount(attempts), as: 'number' },
        {
          title: 'failed for good',
          value: ({ forGood }) => (forGood > 0 ? html`<b class="bad">${formatCount(forGood)}</b>` : '0'),
          as: 'number',
        },
        {
          title: 'first, last',
          value: ({ firstAt, lastAt }) => betweenOf(firstAt, lastAt, zone),
          as: 'text',
        },
      ]),
      andMore(causes.length, shown.length, 'cause'),
      causes.some(({ forGood }) => forGood > 0) &&
        html`<p class="note">To retry those that failed for good: ${code(`batchctl retry ${job} --cause CAUSE`)}</p>`,
    ],
  );
}

/** The tasks that took longest, with what may explain it. */
export function slowestSection({ job, slowest }: Report): Html {
  if (slowest.length === 0) {
    return section('slowest', 'Slowest tasks', null, html`<p class="note">No task is done yet.</p>`);
  }
  const shown = slowest.slice(0, SLOWEST);
  return section('slowest', 'Slowest tasks', logsLie(job), [
    table('Slowest tasks', shown, [
      {
        title: 'task',
        value: ({ task, log, worker }) =>
          html`${task}<small>on ${worker}; ${log === '' ? 'no log: it wrote nothing' : html`log ${logOf(job, log)}`}</small>`,
        as: 'name',
      },
      { title: 'took', value: ({ seconds }) => formatSeconds(seconds), as: 'number' },
      { title: 'of median', value: ({ times }) => `${Number(times.toFixed(1))} ×`, as: 'number' },
      { title: 'attempts', value: ({ attempts }) => formatCount(attempts), as: 'number', extra: true },
      { title: 'input', value: ({ bytesIn }) => known(bytesIn, formatSize), as: 'number' },
      { title: 'peak memory', value: ({ peakMemory }) => known(peakMemory, formatSize), as: 'number' },
    ]),
    andMore(slowest.length, shown.length, 'task'),
  ]);
}

/** Who worked, when, and how much of it. */
export function workersSection({ workers, totals }: Report, zone: string): Html {
  const shown = workers.slice(0, WORKERS);
  return section(
    'workers',
    'Workers',
    workers.length === 0
      ? null
      : `${formatMany(workers.length, 'worker')}, at most ${formatMany(totals.slots, 'slot')} at once.`,
    [
      shown.length === 0
        ? html`<p class="note">No worker has taken any task yet.</p>`
        : table('Workers', shown, [
            {
              title: 'worker',
              value: ({ worker, host }) =>
                html`${worker}<small>${host === null ? 'host not known' : `on ${host}`}</small>`,
              as: 'name',
            },
            { title: 'slots', value: ({ slots: own }) => formatCount(own), as: 'number' },
            { title: 'done', value: ({ done }) => formatCount(done), as: 'number' },
            { title: 'failed attempts', value: ({ failedAttempts }) => formatCount(failedAttempts), as: 'number' },
            { title: 'interrupted', value: ({ interrupted }) => formatCount(interrupted), as: 'number' },
            { title: 'busy', value: ({ busySeconds }) => formatSeconds(busySeconds), as: 'number' },
            {
              title: 'from, to',
              value: ({ from, to }) => betweenOf(from, to, zone),
              as: 'text',
            },
          ]),
      andMore(workers.length, shown.length, 'worker'),
    ],
  );
}

/** Where a job's logs lie, so that each need not say it. */
function below(job: string): string {
  return `jobs/${job}/steps/`;
}

function logsLie(job: string): Html {
  return html`Logs are in the store below ${code(below(job))}`;
}

function logOf(job: string, key: string): Html {
  return code(key.startsWith(below(job)) ? key.slice(below(job).length) : key);
}
