import { formatSize } from '../../lib/units.ts';
import type { Comparison, Figure, Report } from '../../model/answers/report.ts';
import { dollarsText } from '../../model/cost/limit.ts';
import { needsRestoring } from '../../model/failure.ts';
import { formatCount, formatMany, formatRate, groupDigits } from '../format.ts';
import { counterRate, formatDifference, formatShare } from '../report-figures.ts';
import { clip, formatOrUnknown, formatPace, formatSeconds, formatWhen, spanCell } from './figures.ts';
import { code, countColumn, facts, type Html, html, type Insert, notShownNote, section, table } from './html.ts';

const CAUSES = 20;

const SLOWEST = 10;

const WORKERS = 20;

export function causesSection({ job, causes }: Report, zone: string): Html {
  if (causes.length === 0) {
    return section('causes', 'Why attempts failed', null, html`<p class="note">No attempt failed.</p>`);
  }
  const shown = causes.slice(0, CAUSES);
  return section(
    'causes',
    'Why attempts failed',
    html`Failures are grouped by step, exit code and error line, ignoring numbers, ids and times in the line. ${logsNote(job)}`,
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
        countColumn('attempts', ({ attempts }) => attempts),
        countColumn('failed for good', ({ forGood }) => forGood, true),
        { title: 'first, last', value: ({ firstAt, lastAt }) => spanCell(firstAt, lastAt, zone), as: 'text' },
      ]),
      notShownNote(causes.length, shown.length, 'cause'),
      causes.some(({ forGood, reason }) => forGood > 0 && !needsRestoring(reason)) &&
        html`<p class="note">To retry those that failed for good: ${code(`batchctl retry ${job} --cause CAUSE`)}</p>`,
      causes.some(({ forGood, reason }) => forGood > 0 && needsRestoring(reason)) &&
        html`<p class="note">Of an input or output that was altered, ${code(`batchctl failures ${job}`)} says how it is restored</p>`,
    ],
  );
}

export function slowestSection({ job, slowest }: Report): Html {
  if (slowest.length === 0) {
    return section('slowest', 'Slowest tasks', null, html`<p class="note">No task is done yet.</p>`);
  }
  const shown = slowest.slice(0, SLOWEST);
  return section('slowest', 'Slowest tasks', logsNote(job), [
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
      { title: 'input', value: ({ bytesIn }) => formatOrUnknown(bytesIn, formatSize), as: 'number' },
      { title: 'peak memory', value: ({ peakMemory }) => formatOrUnknown(peakMemory, formatSize), as: 'number' },
    ]),
    notShownNote(slowest.length, shown.length, 'task'),
  ]);
}

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
            countColumn('slots', ({ slots }) => slots),
            countColumn('done', ({ done }) => done),
            countColumn('failed attempts', ({ failedAttempts }) => failedAttempts),
            countColumn('interrupted', ({ interrupted }) => interrupted),
            { title: 'busy', value: ({ busySeconds }) => formatSeconds(busySeconds), as: 'number' },
            { title: 'from, to', value: ({ from, to }) => spanCell(from, to, zone), as: 'text' },
          ]),
      notShownNote(workers.length, shown.length, 'worker'),
    ],
  );
}

/** The prefix of a job's logs, so that each log needn't repeat it. */
function logPrefix(job: string): string {
  return `jobs/${job}/steps/`;
}

function logsNote(job: string): Html {
  return html`Logs are in the store below ${code(logPrefix(job))}`;
}

function logOf(job: string, key: string): Html {
  return code(key.startsWith(logPrefix(job)) ? key.slice(logPrefix(job).length) : key);
}

const ROWS = 40;

export function totalsSection({ expectations, steps }: Report): Html {
  const shown = expectations.slice(0, ROWS);
  const counters = steps.flatMap(({ name, counters: own, seconds }) =>
    Object.entries(own).map(([counter, value]) => ({ step: name, counter, value, rate: counterRate(value, seconds) })),
  );
  return section('totals', 'Control totals and counters', null, [
    shown.length === 0
      ? html`<p class="note">The job defines no control totals.</p>`
      : table('Control totals', shown, [
          { title: 'must hold', value: ({ equation }) => code(clip(equation)), as: 'text' },
          { title: 'left', value: ({ left }) => formatOrUnknown(left, decimalText), as: 'number' },
          { title: 'right', value: ({ right }) => formatOrUnknown(right, decimalText), as: 'number' },
          {
            title: 'holds',
            value: ({ ok, accepted }) =>
              accepted === undefined ? holds(ok) : html`no, accepted by ${accepted.who}: ${clip(accepted.reason)}`,
            as: 'text',
          },
        ]),
    notShownNote(expectations.length, shown.length, 'control total'),
    counters.length > 0 && [
      table(
        'Counters',
        counters.slice(0, ROWS),
        [
          { title: 'step', value: ({ step }) => step, as: 'name' },
          { title: 'counter', value: ({ counter }) => clip(counter, 80), as: 'text' },
          { title: 'total', value: ({ value }) => decimalText(value), as: 'number' },
          { title: 'a second', value: ({ rate }) => (rate === null ? '-' : formatRate(rate)), as: 'number' },
        ],
        'fit',
      ),
      notShownNote(counters.length, ROWS, 'counter'),
    ],
  ]);
}

/** An exact decimal with thousands separators; anything else unchanged. */
const decimalText = (text: string): string => (/^-?\d+(\.\d+)?$/.test(text) ? groupDigits(text) : clip(text, 80));

function holds(ok: boolean | null): Insert {
  if (ok === null) return html`<span class="unknown">not known yet</span>`;
  return ok ? html`<b class="good">✓ yes</b>` : html`<b class="bad">✕ no</b>`;
}

export function decisionsSection({ decisions }: Report, zone: string): Html {
  const shown = decisions.slice(-ROWS);
  return section('decisions', 'Decisions', null, [
    shown.length === 0
      ? html`<p class="note">No one had to intervene.</p>`
      : table('Decisions', shown, [
          { title: 'when', value: ({ when }) => html`<span class="when">${formatWhen(when, zone)}</span>`, as: 'text' },
          { title: 'who', value: ({ who }) => who, as: 'name' },
          { title: 'what', value: ({ what }) => html`<b>${what}</b>`, as: 'text' },
          { title: 'details', value: ({ text }) => html`<span class="words">${clip(text, 240)}</span>`, as: 'text' },
        ]),
    decisions.length > shown.length &&
      html`<p class="note">The last ${formatCount(shown.length)}; ${formatMany(decisions.length - shown.length, 'earlier one')} not shown.</p>`,
  ]);
}

export function originSection(report: Report, zone: string): Html {
  const { inputs, proof, late, cost } = report;
  const when = (instant: string | null): Insert => formatOrUnknown(instant, (value) => formatWhen(value, zone));
  return section('origin', 'What ran, and the evidence', null, [
    facts([
      ['Job', code(report.job)],
      ['Run key', report.runKey === null ? 'none' : code(report.runKey)],
      [
        'Round',
        report.round === 0
          ? '0, the first run'
          : `${report.round}: it was retried ${report.round === 1 ? 'once' : `${formatCount(report.round)} times`}`,
      ],
      ['Accepted', html`${when(report.createdAt)}, by ${report.createdBy} on ${report.host}`],
      ['First attempt', report.startedAt === null ? 'none yet' : when(report.startedAt)],
      ['Last attempt ended', report.endedAt === null ? 'none yet' : when(report.endedAt)],
      ['Closed', report.closedAt === null ? 'still open' : when(report.closedAt)],
      ['Input', inputText(report)],
      ['Records of input', formatOrUnknown(inputs.records, formatCount)],
      ['Digest of job and inputs', code(report.digest)],
      ['Code', report.code === null ? 'no files shipped' : code(report.code)],
      ['batchctl', report.version],
      ['Counts', report.exact ? 'exact: they match the store' : 'may lag behind the store'],
      [
        'Proof',
        proof === null
          ? html`<span class="unknown">none for the current state of the job</span>`
          : html`${code(proof.key)}, ${formatWhen(proof.when, zone)}`,
      ],
      [
        'Cost',
        formatOrUnknown(cost, ({ usd, basis }) => html`${dollarsText(usd)} <span class="muted">${basis}</span>`),
      ],
      ...pairs('Label', report.labels),
      ...pairs('Parameter', report.params),
    ]),
    late.length > 0 &&
      html`<p class="note">${formatMany(late.length, 'output')} came after a gather was opened without ${
        late.length === 1 ? 'it' : 'them'
      }, kept and not used: ${late.slice(0, 20).join(', ')}${late.length > 20 && ' and more'}.</p>`,
  ]);
}

function inputText({ inputs, parts }: Report): string {
  if (inputs.count === 0) return `no objects: ${formatMany(parts, 'part')} generated by the job file`;
  const size = `${formatSize(inputs.bytes)} (${formatMany(inputs.bytes, 'byte')})`;
  return `${formatMany(inputs.count, 'object')}, ${size}, in ${formatMany(parts, 'part')}`;
}

function pairs(kind: string, values: Readonly<Record<string, string>>): readonly (readonly [string, Insert])[] {
  const entries = Object.entries(values);
  const shown = entries
    .slice(0, ROWS)
    .map(([name, value]): readonly [string, Insert] => [`${kind} ${clip(name, 60)}`, code(clip(value, 160))]);
  return entries.length > ROWS ? [...shown, [`${kind}s`, `${entries.length - ROWS} more not shown`]] : shown;
}

export function comparisonSection(
  { job, createdAt, perTask, regress, figures, regressions }: Comparison,
  zone: string,
): Html {
  const worse =
    regressions.length > 0
      ? html`<p class="alarm"><b>Worse by more than ${formatShare(regress ?? 0)}:</b> ${regressions.join('; ')}.</p>`
      : regress !== null &&
        html`<p class="calm"><b>No relevant figure is worse by more than ${formatShare(regress)}.</b></p>`;
  return section(
    'comparison',
    'Compared with an earlier run',
    html`${code(job)}, accepted ${formatWhen(createdAt, zone)}.${perTask && ' The jobs differ in the number of tasks, so figures that grow with it are given per task.'}`,
    [
      worse,
      table(
        'This run and the other',
        figures.filter(({ before, now }) => before !== null || now !== null),
        [
          {
            title: 'figure',
            value: ({ step, name, perTask: each }) =>
              html`${step !== null && html`<span class="muted">${step}</span> `}${name}${each && html` <span class="muted">per task</span>`}`,
            as: 'name',
          },
          {
            title: 'before',
            value: (figure) => sideOf(figure, 'before'),
            as: 'number',
          },
          {
            title: 'now',
            value: (figure) => sideOf(figure, 'now'),
            as: 'number',
          },
          { title: 'change', value: changeOf, as: 'number' },
        ],
        'fit compare',
      ),
    ],
  );
}

/** All digits of a counter's sum, which may be money. */
function sideOf(figure: Figure, side: 'before' | 'now'): Insert {
  const exact = figure.exact?.[side] ?? null;
  return exact === null ? formatOrUnknown(figure[side], (value) => inUnit(value, figure)) : groupDigits(exact);
}

function inUnit(value: number, { unit }: Figure): string {
  switch (unit) {
    case 'seconds':
      return formatSeconds(value);
    case 'bytes':
      return formatSize(value);
    case 'perSecond':
      return formatPace(value);
    case 'share':
      return formatShare(value);
    case 'usd':
      return dollarsText(value);
    case 'count':
    case 'number':
      return Math.abs(value) >= 1000 ? formatCount(Math.round(value)) : String(Number(value.toPrecision(3)));
  }
}

/** A smaller relative change counts as neither better nor worse. */
const SLIGHT = 0.01;

/** Keeps the column aligned. */
const UNJUDGED = html`<span class="judged"></span>`;

function changeOf(figure: Figure): Insert {
  const { before, now, change } = figure;
  if (before === null || now === null) return html`<span class="unknown">not known</span>${UNJUDGED}`;
  if (figure.exact !== null && figure.exact.difference !== '0') return html`${formatDifference(figure)}${UNJUDGED}`;
  const isMoney = figure.unit === 'usd';
  if (before === now || (!isMoney && change !== null && Math.abs(change) < SLIGHT / 20))
    return html`<span class="muted">the same</span>${UNJUDGED}`;
  if (isMoney) return html`${formatDifference(figure)}${judged(figure)}`;
  return html`${change === null ? 'from none' : signed(change)}${judged(figure)}`;
}

function signed(change: number): string {
  if (change >= 9) return `${formatCount(Math.round(change + 1))} times`;
  const percent = Math.abs(change * 100);
  return `${change > 0 ? '+' : '−'}${Number(percent.toFixed(percent < 10 ? 1 : 0))} %`;
}

function judged({ better, before, now, change, regressed }: Figure): Insert {
  if (regressed) return html`<b class="bad judged">▲ regressed</b>`;
  if (better === null || before === null || now === null || (change !== null && Math.abs(change) < SLIGHT)) {
    return UNJUDGED;
  }
  const good = better === 'less' ? now < before : now > before;
  return good ? html`<span class="good judged">better</span>` : html`<span class="judged">worse</span>`;
}
