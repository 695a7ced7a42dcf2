import { formatSize } from '../lib/units.ts';
import { FAULT_KINDS, type FaultKind, faultNames, rehearsalText } from '../model/rehearsal.ts';
import type { Context } from './context.ts';
import { forecastText } from './forecast-text.ts';
import { formatCount, formatMany } from './format.ts';
import type { Rehearsed } from './rehearse-job.ts';
import { renderTable } from './render.ts';
import { paintFor } from './terminal-text.ts';

/** A rehearsal as text: the sample's result, the faults, and the forecast. */
export async function rehearseText(ctx: Context, rehearsed: Rehearsed): Promise<string> {
  const { status, verify, forecast, of, kept } = rehearsed;
  const paint = paintFor(ctx, ctx.io.stdout);
  const tint = status.state === 'succeeded' ? 'good' : 'bad';
  const reason = status.reason === null ? '' : ` (${status.reason})`;
  const { job } = status;
  const table = await renderTable(ctx, status.steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    { title: 'tasks', value: ({ total }) => (total === null ? '?' : formatCount(total)), align: 'right' },
    { title: 'done', value: ({ done }) => formatCount(done), align: 'right' },
    {
      title: 'failed',
      value: ({ failed }) => formatCount(failed),
      align: 'right',
      tint: ({ failed }) => (failed > 0 ? 'bad' : null),
    },
    {
      title: 'attempts',
      value: (step) => formatCount(step.done + step.failed + step.retried + step.interrupted),
      align: 'right',
    },
    { title: 'failed attempts', value: ({ retried }) => formatCount(retried), align: 'right' },
  ]);
  const lines = [
    `${job}: ${paint(tint, `${status.state}${reason}`)}, ${rehearsalText(status.rehearsal?.parts ?? 0, of.parts)}`,
    '',
    table,
    '',
    ...faultLines(rehearsed),
    ...(verify === null ? [] : [verdictLine(rehearsed, paint)]),
    keptLine(status.state, job, kept),
  ];
  if (forecast !== null) {
    const whole = `${formatMany(of.parts, 'part')}${of.bytes === 0 ? '' : `, ${formatSize(of.bytes)} of input`}`;
    lines.push('', `full run, ${whole}:`, await forecastText(ctx, forecast));
  }
  return lines.join('\n');
}

const WORDS: Readonly<Record<FaultKind, (count: number) => string>> = {
  kill: (count) => `${formatMany(count, 'worker')} killed during an attempt`,
  duplicate: (count) => `${formatMany(count, 'message')} sent twice`,
  fail: (count) => `${formatMany(count, 'attempt')} failed on purpose`,
  'slow-disk': (count) => `${formatMany(count, 'read')} and writes of the store slowed`,
};

function faultLines({ asked, faults, seed, mended, status }: Rehearsed): readonly string[] {
  const names = faultNames(asked);
  if (names.length === 0) return ['no faults (inject some with --faults)'];
  const kinds = FAULT_KINDS.filter((kind) => names.some((name) => name.split(':')[0] === kind));
  const survived = status.state === 'succeeded' ? ': survived all' : '';
  const some = mended.slice(0, 5).join(', ');
  return [
    `faults, seed ${seed}${survived}`,
    ...kinds.map((kind) => `  ${WORDS[kind](faults[kind])}`),
    ...(mended.length === 0
      ? []
      : [
          `  ${formatMany(mended.length, 'task')} failed for good only because of these faults (${some}${mended.length > 5 ? ', ...' : ''}), and succeeded when retried; more attempts in the job file would have prevented that`,
        ]),
  ];
}

function verdictLine({ verify }: Rehearsed, paint: ReturnType<typeof paintFor>): string {
  if (verify?.verdict === 'proven')
    return `${paint('good', 'proven')}: nothing of the sample is missing or duplicated, and every byte was read`;
  return `${paint('bad', 'not proven')}: ${verify?.problems[0]?.message ?? ''}`;
}

function keptLine(state: string, job: string, kept: boolean): string {
  if (kept && state !== 'succeeded') return `kept for inspection: batchctl failures ${job}; then batchctl prune`;
  return kept
    ? `kept: batchctl fetch ${job}; remove it with batchctl prune`
    : 'its outputs and parts were removed (--keep keeps them)';
}
