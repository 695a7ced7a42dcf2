import { formatSize } from '../../lib/units.ts';
import type { Comparison, Figure } from '../../model/report/compare.ts';
import { formatCount } from '../format.ts';
import { code, type Html, html, type Insert, section, table } from './html.ts';
import { formatPace, formatSeconds, formatShare, formatWhen, known } from './words.ts';

/** This run beside another: each figure with its change, and whether that is good. */
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
          { title: 'before', value: (figure) => known(figure.before, (value) => inUnit(value, figure)), as: 'number' },
          { title: 'now', value: (figure) => known(figure.now, (value) => inUnit(value, figure)), as: 'number' },
          { title: 'change', value: changeOf, as: 'number' },
        ],
        'fit compare',
      ),
    ],
  );
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
      return `$${value.toFixed(2)}`;
    case 'count':
    case 'number':
      return Math.abs(value) >= 1000 ? formatCount(Math.round(value)) : String(Number(value.toPrecision(3)));
  }
}

/** Below this share of change, nobody would call it better or worse. */
const SLIGHT = 0.01;
/** Keeps the column straight. */
const UNJUDGED = html`<span class="judged"></span>`;

function changeOf(figure: Figure): Insert {
  const { before, now, change } = figure;
  if (before === null || now === null) return html`<span class="unknown">not known</span>${UNJUDGED}`;
  if (before === now || (change !== null && Math.abs(change) < SLIGHT / 20))
    return html`<span class="muted">the same</span>${UNJUDGED}`;
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
