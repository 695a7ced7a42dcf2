import { formatSize } from '../../lib/units.ts';
import type { Report } from '../../model/report/report.ts';
import { formatCount, formatMany } from '../format.ts';
import { andMore, code, facts, type Html, html, type Insert, section, table } from './html.ts';
import { clip, formatWhen, known } from './words.ts';

const ROWS = 40;

/** The control totals with both of their sides, and what steps counted. */
export function totalsSection({ expectations, steps }: Report): Html {
  const shown = expectations.slice(0, ROWS);
  const counters = steps.flatMap(({ name, counters: own }) =>
    Object.entries(own).map(([counter, value]) => ({ step: name, counter, value })),
  );
  return section('totals', 'Control totals and counters', null, [
    shown.length === 0
      ? html`<p class="note">The job defines no control totals.</p>`
      : table('Control totals', shown, [
          { title: 'must hold', value: ({ equation }) => code(clip(equation)), as: 'text' },
          { title: 'left', value: ({ left }) => known(left, grouped), as: 'number' },
          { title: 'right', value: ({ right }) => known(right, grouped), as: 'number' },
          { title: 'holds', value: ({ ok }) => holds(ok), as: 'text' },
        ]),
    andMore(expectations.length, shown.length, 'control total'),
    counters.length > 0 && [
      table(
        'Counters',
        counters.slice(0, ROWS),
        [
          { title: 'step', value: ({ step }) => step, as: 'name' },
          { title: 'counter', value: ({ counter }) => clip(counter, 80), as: 'text' },
          { title: 'total', value: ({ value }) => grouped(value), as: 'number' },
        ],
        'fit',
      ),
      andMore(counters.length, ROWS, 'counter'),
    ],
  ]);
}

/** An exact decimal with its thousands told apart; anything else as it is. */
function grouped(decimal: string): string {
  const match = /^(-?)(\d+)(\.\d+)?$/.exec(decimal);
  if (match === null) return clip(decimal, 80);
  return `${match[1]}${(match[2] ?? '').replace(/\B(?=(\d{3})+$)/g, ',')}${match[3] ?? ''}`;
}

function holds(ok: boolean | null): Insert {
  if (ok === null) return html`<span class="unknown">not known yet</span>`;
  return ok ? html`<b class="good">✓ yes</b>` : html`<b class="bad">✕ no</b>`;
}

/** Who decided what, when. */
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

/** What exactly ran, on what, and how that is known. */
export function originSection(report: Report, zone: string): Html {
  const { inputs, proof, late, cost } = report;
  const when = (instant: string | null): Insert => known(instant, (value) => formatWhen(value, zone));
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
      ['Records of input', known(inputs.records, formatCount)],
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
      ['Cost', known(cost, ({ usd, basis }) => html`$${usd.toFixed(2)} <span class="muted">${basis}</span>`)],
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
