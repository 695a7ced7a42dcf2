import { formatDuration, formatSize } from '../lib/units.ts';
import type { Comparison, Figure, Report, SlowTask, StepReport } from '../model/answers/report.ts';
import { LATE_TEXT } from '../model/completeness-text.ts';
import { dollarsText } from '../model/cost/limit.ts';
import { jobPrefix } from '../model/keys.ts';
import { rehearsalText } from '../model/rehearsal.ts';
import type { Context } from './context.ts';
import { formatCount, formatInstant, formatMany, formatRate, localizeInstants } from './format.ts';
import { columnsOf, wrap } from './help.ts';
import { type Column, countColumn, renderTable } from './render.ts';
import { counterRate, formatDifference, formatShare, formatSide, measuredText } from './report-figures.ts';
import { clip, type Paint, paintFor } from './terminal-text.ts';

/** Maximum number of rows of a list in text; --json and HTML have more. */
const SHOWN = 5;

const WIDEST = 100;

export async function reportText(ctx: Context, report: Report): Promise<string> {
  const { stdout } = ctx.io;
  const paint = paintFor(ctx, stdout);
  const width = Math.min(WIDEST, stdout.isTTY === true ? columnsOf(stdout) : WIDEST);
  const zone = await ctx.zone();
  const blocks = [
    head(report, zone, paint),
    await stepTable(ctx, report),
    throughput(report, width),
    facts(report),
    await causes(ctx, report),
    await slowest(ctx, report),
    detailLines(report, { zone, width }, paint).join('\n'),
  ];
  return blocks.filter((block) => block !== '').join('\n\n');
}

function head(report: Report, zone: string, paint: Paint): string {
  const { totals, state, rehearsal } = report;
  const tint = state === 'succeeded' ? 'good' : state === 'failed' || state === 'cancelled' ? 'bad' : 'doubtful';
  const reason = report.reason === null ? '' : ` (${report.reason})`;
  const round = report.round === 0 ? '' : `, round ${report.round}`;
  const key = report.runKey === null ? '' : `, run key ${report.runKey}`;
  const counts = [
    `${formatCount(totals.done)} of ${formatMany(totals.tasks, 'task')} done`,
    ...(report.late.length > 0 ? [`${formatCount(report.late.length)} of them ${LATE_TEXT}`] : []),
    ...(totals.failed > 0 ? [paint('bad', `${formatCount(totals.failed)} failed`)] : []),
    ...(totals.skipped > 0 ? [`${formatCount(totals.skipped)} skipped`] : []),
    `in ${formatDuration(report.seconds)}`,
    ...(totals.rate === null || totals.done === 0 ? [] : [formatRate(totals.rate)]),
  ];
  const doubts = missingRecordsText(report);
  const began = Date.parse(report.startedAt ?? report.createdAt);
  return [
    `${report.job}: ${paint(tint, state)}${reason}${round}${key}`,
    ...(rehearsal === undefined ? [] : [rehearsalText(rehearsal.parts, rehearsal.of)]),
    counts.join(', '),
    `began ${formatInstant(began, zone)}, by ${report.createdBy}`,
    proofWords(report),
    ...(doubts === null ? [] : [paint('doubtful', doubts)]),
  ].join('\n');
}

function proofWords({ proof, job, state }: Report): string {
  if (proof !== null) return `proven${proof.deep ? ', every byte read' : ''} (${proof.key.split('/').at(-1)})`;
  return state === 'succeeded' || state === 'failed' ? `not proven: batchctl verify ${job}` : 'not proven';
}

/** Says which records of a finished job are missing from the ledger, and how to restore them. */
function missingRecordsText({ exact, closedAt, job, state, totals, steps, decisions }: Report): string | null {
  if (exact || closedAt === null) return null;
  if (decisions.at(-1)?.what === 'prune') return 'it was pruned, so the records of its attempts are gone';
  const measured = steps.reduce((sum, { duration }) => sum + (duration?.count ?? 0), 0);
  const short = state === 'succeeded' && totals.done + totals.failed + totals.skipped < totals.tasks;
  if (totals.attempts > 0 && measured >= totals.done && !short) return null;
  const known = totals.attempts === 0 ? 'has no attempts' : 'does not have every attempt';
  return `the ledger ${known} of this job, so these figures are too low.\nrebuild it from the store with batchctl verify ${job} --repair`;
}

async function stepTable(ctx: Context, { steps }: Report): Promise<string> {
  const seconds = (title: string, of: (step: StepReport) => number | undefined): Column<StepReport> => ({
    title,
    value: (step) => {
      const value = of(step);
      return value === undefined ? '-' : formatDuration(value);
    },
    align: 'right',
  });
  return renderTable(ctx, steps, [
    { title: 'step', value: ({ name }) => name, min: 6 },
    countColumn('done', (step) => step.done),
    countColumn('failed', (step) => step.failed, true),
    countColumn('retr', (step) => step.retried),
    countColumn('intr', (step) => step.interrupted),
    seconds('p50', ({ duration }) => duration?.p50),
    seconds('p95', ({ duration }) => duration?.p95),
    seconds('p99', ({ duration }) => duration?.p99),
    seconds('max', ({ duration }) => duration?.max),
    seconds('wait', ({ wait }) => wait?.p50),
  ]);
}

function throughput({ throughput: { bins, seconds } }: Report, width: number): string {
  const done = bins.map((bin) => bin.done / seconds);
  if (done.length < 2 || done.every((rate) => rate === 0)) return '';
  const label = 'done/s   ';
  const most = Math.max(...done);
  const note = ` top ${formatRate(most)}`;
  return `${label}${sparkline(done, width - label.length - note.length)}${note}`;
}

function facts({ totals, workers, timeline, steps, cost }: Report): string {
  const lines: string[] = [];
  if (totals.utilisation !== null) {
    lines.push(
      `slots    ${formatShare(totals.utilisation)} busy, at most ${formatMany(totals.slots, 'slot')} at once, of ${formatMany(workers.length, 'worker')}`,
    );
  }
  if (totals.attempts > 0) {
    const { attempts, retried, interrupted, usefulSeconds, lostSeconds } = totals;
    lines.push(
      `attempts ${formatCount(attempts)}, ${formatCount(retried)} retried, ${formatCount(interrupted)} interrupted`,
      `time     ${formatDuration(usefulSeconds)} in successful attempts, ${formatDuration(lostSeconds)} in others`,
    );
  }
  const cpu = totals.cpuSeconds === null ? '' : `, CPU ${formatDuration(totals.cpuSeconds)}`;
  const peaks = steps.flatMap(({ peakMemory }) => peakMemory ?? []);
  const peak = peaks.length === 0 ? '' : `, peak memory ${formatSize(Math.max(...peaks))}`;
  const measured = measuredText(steps);
  const used = `${cpu}${peak}${measured === null ? '' : ` (${measured})`}`;
  lines.push(`bytes    ${formatSize(totals.bytesIn)} in, ${formatSize(totals.bytesOut)} out${used}`);
  if (cost !== null) lines.push(`cost     ${dollarsText(cost.usd)}${costBySteps(steps)}`);
  for (const { name, counters, seconds } of steps) {
    const sums = Object.entries(counters).map(([counter, value]) => {
      const rate = counterRate(value, seconds);
      return `${counter} ${value}${rate === null ? '' : ` (${formatRate(rate)})`}`;
    });
    if (sums.length > 0) lines.push(`counters ${name}: ${sums.join(', ')}`);
  }
  if (timeline.hidden > 0) lines.push(`workers  more than are shown`);
  return lines.join('\n');
}

function costBySteps(steps: readonly StepReport[]): string {
  const each = steps.flatMap(({ name, cost }) => (cost === null ? [] : [`${name} ${dollarsText(cost)}`]));
  return each.length < 2 ? '' : `: ${each.join(', ')}`;
}

async function causes(ctx: Context, { causes: all }: Report): Promise<string> {
  if (all.length === 0) return '';
  const table = await renderTable(ctx, all.slice(0, SHOWN), [
    { title: 'cause', value: ({ cause }) => cause, min: 6 },
    { title: 'step', value: ({ step }) => step, min: 6 },
    countColumn('attempts', ({ attempts }) => attempts),
    countColumn('for good', ({ forGood }) => forGood, true),
    countColumn('bad input', ({ badInput }) => badInput),
    { title: 'how', value: ({ reason, exitCode }) => (exitCode === null ? reason : `${reason} ${exitCode}`), min: 6 },
    { title: 'error', value: ({ error }) => error, min: 12 },
    { title: 'example', value: ({ example }) => example.task, min: 8 },
  ]);
  return withMore(table, all.length, 'cause');
}

async function slowest(ctx: Context, { job, slowest: all }: Report): Promise<string> {
  const [first] = all;
  if (first === undefined) return '';
  const under = `${jobPrefix(job)}steps/`;
  const { stdout } = ctx.io;
  const narrow = stdout.isTTY === true && columnsOf(stdout) < WIDEST;
  const table = await renderTable(ctx, all.slice(0, SHOWN), [
    { title: 'slowest', value: ({ task }) => task, min: 8 },
    { title: 'took', value: ({ seconds }) => formatDuration(seconds), align: 'right' },
    { title: 'x p50', value: ({ times }) => times.toFixed(1), align: 'right' },
    countColumn('tries', ({ attempts }) => attempts),
    // The key of a log is useful only if complete.
    ...(narrow ? [] : [{ title: 'worker', value: ({ worker }: SlowTask) => worker }]),
    { title: 'log', value: ({ log }) => log.replace(under, ''), min: 10 },
  ]);
  return `${withMore(table, all.length, 'task')}\nlogs are in ${under}\nbatchctl logs ${job} ${first.task}`;
}

function withMore(table: string, count: number, noun: string): string {
  return count > SHOWN ? `${table}\nand ${formatMany(count - SHOWN, noun)} more (see --json)` : table;
}

function detailLines(
  { expectations, decisions, late }: Report,
  { zone, width }: { readonly zone: string; readonly width: number },
  paint: Paint,
): readonly string[] {
  const words = (ok: boolean | null): string =>
    ok === null ? 'not yet known' : ok ? 'holds' : paint('bad', 'does not hold');
  return [
    ...expectations.map(
      ({ equation, ok, left, right, accepted }) =>
        `${words(ok)}: ${equation} (${left ?? '?'}, ${right ?? '?'})${
          accepted === undefined ? '' : `, accepted by ${accepted.who}: ${accepted.reason}`
        }`,
    ),
    ...decisions
      .slice(-SHOWN)
      .map(({ when, who, text }) =>
        clip(`${formatInstant(Date.parse(when), zone)} ${who}: ${localizeInstants(text, zone)}`, 160),
      )
      .map((line) => wrap(line, width - 2).join('\n  ')),
    ...(late.length === 0 ? [] : [`late, kept but not used: ${late.slice(0, 10).join(', ')}`]),
  ];
}

const LEVELS = '▁▂▃▄▅▆▇█';

/** Values as a line of bars, at most `width` columns. Averages neighbours if there are more values. */
export function sparkline(values: readonly number[], width: number): string {
  const columns = Math.min(values.length, width);
  const means = Array.from({ length: columns }, (_, at) => {
    const some = values.slice(
      Math.floor((at * values.length) / columns),
      Math.floor(((at + 1) * values.length) / columns),
    );
    return some.reduce((sum, value) => sum + value, 0) / some.length;
  });
  const most = Math.max(...means);
  return means
    .map((mean) => (mean === 0 || most === 0 ? ' ' : (LEVELS[Math.min(7, Math.floor((mean / most) * 8))] ?? ' ')))
    .join('');
}

export async function comparedText(ctx: Context, compared: Comparison): Promise<string> {
  const { job, createdAt, perTask, figures, regressions } = compared;
  const paint = paintFor(ctx, ctx.io.stdout);
  const known = figures.filter(({ before, now }) => before !== null || now !== null);
  const table = await renderTable(ctx, known, [
    { title: 'figure', value: nameOf, min: 12 },
    { title: 'before', value: (figure) => formatSide(figure, 'before'), align: 'right' },
    { title: 'now', value: (figure) => formatSide(figure, 'now'), align: 'right' },
    { title: 'change', value: formatDifference, align: 'right', tint: tintOf },
  ]);
  const when = formatInstant(Date.parse(createdAt), await ctx.zone());
  const sizes = perTask ? ['the jobs differ in size: figures that grow with it are compared per task'] : [];
  const lines = [`compared with ${job}, of ${when}`, ...sizes, '', table];
  if (regressions.length > 0) lines.push('', ...regressions.map((text) => `${paint('bad', 'worse:')} ${text}`));
  return lines.join('\n');
}

function nameOf({ step, name, code, perTask }: Figure): string {
  const what = `${code === 'counter' ? 'counter ' : ''}${name}${perTask ? ' per task' : ''}`;
  return step === null ? what : `${step} ${what}`;
}

function tintOf({ better, change, regressed }: Figure): 'good' | 'bad' | null {
  if (regressed) return 'bad';
  if (better === null || change === null || Math.abs(change) < 0.05) return null;
  return change < 0 === (better === 'less') ? 'good' : null;
}
