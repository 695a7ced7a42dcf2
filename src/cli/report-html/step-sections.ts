import { formatSize } from '../../lib/units.ts';
import type { Distribution, Report, StepReport } from '../../model/report/report.ts';
import { formatCount } from '../format.ts';
import { commonScale, durationChart } from './duration-chart.ts';
import { type Html, html } from './html.ts';
import { type Column, section, table } from './tables.ts';
import { formatSeconds, known } from './words.ts';

/** More steps than these are in the table, without a chart. */
const CHARTS = 8;

/** What each step did, in counts and bytes. */
export function stepsSection({ steps }: Report): Html {
  const count = (title: string, of: (step: StepReport) => number): Column<StepReport> => ({
    title,
    value: (step) => formatCount(of(step)),
    as: 'number',
  });
  return section(
    'steps',
    'Steps',
    null,
    table('Steps', steps, [
      {
        title: 'step',
        value: (step) => html`${step.name}<small>${step.gather ? 'gather, ' : ''}group ${step.group}</small>`,
        as: 'name',
      },
      count('tasks', (step) => step.tasks),
      count('done', (step) => step.done),
      {
        title: 'failed for good',
        value: (step) => (step.failed > 0 ? html`<b class="bad">${formatCount(step.failed)}</b>` : '0'),
        as: 'number',
      },
      count('skipped', (step) => step.skipped),
      count('tried again', (step) => step.retried),
      count('interrupted', (step) => step.interrupted),
      { title: 'in', value: (step) => formatSize(step.bytesIn), as: 'number' },
      { title: 'out', value: (step) => formatSize(step.bytesOut), as: 'number' },
      { title: 'CPU', value: (step) => known(step.cpuSeconds, formatSeconds), as: 'number' },
      { title: 'peak memory', value: (step) => known(step.peakMemory, formatSize), as: 'number' },
    ]),
  );
}

/** How long tasks took, by step. */
export function durationsSection({ steps }: Report): Html {
  return distributions(steps, {
    id: 'durations',
    title: 'How long tasks took',
    lead: 'Attempts that count, by step. The axis is logarithmic and the same for all steps: to the right, each mark is several times as long.',
    of: (step) => step.duration,
    none: 'No task is done yet.',
    noun: 'tasks',
    columns: ['min', 'mean', 'p50', 'p95', 'p99', 'max', 'sum'],
  });
}

/** How long tasks waited for a slot. */
export function waitSection({ steps }: Report): Html {
  return distributions(steps, {
    id: 'wait',
    title: 'How long tasks waited in the queue',
    lead: 'From being sent, or due, to the start of the first attempt. Long waits with idle slots point at too few workers in a group, or at limits.',
    of: (step) => step.wait,
    none: 'How long tasks waited is not known.',
    noun: 'tasks',
    columns: ['min', 'mean', 'p50', 'p95', 'p99', 'max'],
  });
}

interface Spread {
  readonly id: string;
  readonly title: string;
  readonly lead: string;
  readonly of: (step: StepReport) => Distribution | null;
  readonly none: string;
  readonly noun: string;
  readonly columns: readonly Statistic[];
}

type Statistic = 'min' | 'mean' | 'p50' | 'p95' | 'p99' | 'max' | 'sum';
const EXTRA: readonly Statistic[] = ['min', 'mean', 'sum'];

function distributions(steps: readonly StepReport[], { id, title, lead, of, none, noun, columns }: Spread): Html {
  const measured = steps.flatMap((step) => {
    const distribution = of(step);
    return distribution === null || distribution.count === 0 ? [] : [{ name: step.name, distribution }];
  });
  if (measured.length === 0) return section(id, title, null, html`<p class="note">${none}</p>`);
  const scale = commonScale(measured.map(({ distribution }) => distribution));
  // One task or two have no spread to draw: the table says all.
  const drawn = measured.filter(({ distribution }) => distribution.count > 2).slice(0, CHARTS);
  const charts = drawn.map(
    ({ name, distribution }, i) =>
      html`<figure><figcaption><b>${name}</b> <span class="muted">${formatCount(distribution.count)} ${noun}</span></figcaption><div class="plot">${durationChart(
        { id: `${id}-${i}`, title: `${title}: ${name}`, distribution, scale, noun },
      )}</div></figure>`,
  );
  const unmeasured = steps.filter((step) => !measured.some(({ name }) => name === step.name));
  return section(id, title, lead, [
    charts,
    table(
      title,
      measured,
      [
        { title: 'step', value: ({ name }) => name, as: 'name' },
        { title: noun, value: ({ distribution }) => formatCount(distribution.count), as: 'number' },
        ...columns.map(
          (key): Column<(typeof measured)[number]> => ({
            title: key,
            value: ({ distribution }) => formatSeconds(distribution[key]),
            as: 'number',
            ...(EXTRA.includes(key) && { extra: true }),
          }),
        ),
      ],
      'scroll',
    ),
    unmeasured.length > 0 && html`<p class="note">Not known for ${unmeasured.map(({ name }) => name).join(', ')}.</p>`,
  ]);
}
