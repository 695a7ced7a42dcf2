import { resolve } from 'node:path';
import { attemptPages, buildReport } from '../jobs/report.ts';
import { formatSize } from '../lib/units.ts';
import { logKey } from '../model/keys.ts';
import type { Comparison } from '../model/report/compare.ts';
import type { Report } from '../model/report/report.ts';
import type { JobView } from '../model/view.ts';
import type { AttemptEvent } from '../ports/ledger.ts';
import type { Context } from './context.ts';
import { startProgress } from './progress.ts';
import { print } from './render.ts';
import { openReportFile, type ReportSink } from './report-file.ts';

/** Above this many tasks a progress line is shown. */
const LONG = 50_000;

/** A job's report, with progress if that takes long. */
export async function measureJob(ctx: Context, view: JobView): Promise<Report> {
  return withProgress(ctx, view, 'reading attempts', async (onProgress) =>
    buildReport(await ctx.platform(), view, { signal: ctx.signal, onProgress }),
  );
}

export interface ReportToWrite {
  readonly view: JobView;
  /** Null for csv, which is not made from the report. */
  readonly report: Report | null;
  readonly compared: Comparison | null;
}

/** Where and how a report is written. */
export interface ReportTarget {
  readonly ctx: Context;
  readonly format: 'table' | 'json' | 'csv' | 'html' | undefined;
  /** A file, or `-`; undefined is stdout too. */
  readonly output: string | undefined;
}

/** Writes the report to its target in its format. With a file and `--json`, stdout gets the JSON. */
export async function writeReport(target: ReportTarget, made: ReportToWrite): Promise<void> {
  const { ctx, output } = target;
  const format = target.format ?? (ctx.flags.json ? 'json' : 'table');
  const path = output === undefined || output === '-' ? null : resolve(ctx.io.cwd, output);
  const file = path === null ? null : await openReportFile(path);
  const sink = file ?? stdoutOf(ctx);
  try {
    if (made.report === null) await writeAttempts(ctx, made.view, sink);
    else await sink.write(await textOf(ctx, format, made.report, made.compared));
  } catch (error) {
    await sink.abandon();
    throw error;
  }
  const size = await sink.commit();
  if (file !== null) ctx.notice(`wrote ${output} (${formatSize(size)})`);
  if (file === null || !ctx.flags.json || format === 'json') return;
  const report = made.report ?? (await measureJob(ctx, made.view));
  await print(ctx, jsonOf(report, made.compared));
}

function stdoutOf(ctx: Context): ReportSink {
  return { write: (text) => print(ctx, text), commit: async () => 0, abandon: async () => undefined };
}

async function textOf(
  ctx: Context,
  format: 'table' | 'json' | 'csv' | 'html',
  report: Report,
  compared: Comparison | null,
): Promise<string> {
  if (format === 'json') return jsonOf(report, compared);
  if (format === 'html') {
    const { renderReportHtml } = await import('./report-html/render.ts');
    return renderReportHtml(report, { zone: await ctx.zone(), compared });
  }
  const { comparedText, reportText } = await import('./report-text.ts');
  const text = await reportText(ctx, report);
  if (compared === null) return `${text}\n`;
  return `${text}\n\n${await comparedText(ctx, compared)}\n`;
}

function jsonOf(report: Report, compared: Comparison | null): string {
  return `${JSON.stringify({ ...report, compared })}\n`;
}

/** One line per attempt, as they are read. */
async function writeAttempts(ctx: Context, view: JobView, sink: ReportSink): Promise<void> {
  const ledger = await (await ctx.platform()).ledger();
  const { job } = view.record;
  const counts = await ledger.counts(job);
  const counters = [...new Set(counts.flatMap((step) => Object.keys(step.counters)))].sort();
  const about = counts.reduce((sum, each) => sum + each.done + each.failed + each.retried + each.interrupted, 0);
  await withProgress(ctx, view, 'writing attempts', async (onProgress) => {
    await sink.write(csvHeader(counters));
    let written = 0;
    for await (const page of attemptPages(ledger, job, ctx.signal)) {
      if (page.length > 0) await sink.write(page.map((attempt) => csvLine(attempt, counters)).join(''));
      written += page.length;
      onProgress(written, Math.max(written, about));
    }
  });
}

async function withProgress<T>(
  ctx: Context,
  view: JobView,
  label: string,
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const long = view.record.parts * view.record.spec.steps.length > LONG;
  const progress = long ? await startProgress(ctx, label) : null;
  try {
    const made = await work((done, total) => progress?.update(done, total));
    progress?.done();
    return made;
  } catch (error) {
    progress?.failed();
    throw error;
  }
}

const COLUMNS = [
  ...['job', 'step', 'task', 'round', 'number', 'attempt', 'outcome', 'worker', 'slot', 'startedAt', 'endedAt'],
  ...[
    'seconds',
    'waitSeconds',
    'exitCode',
    'reason',
    'error',
    'cpuSeconds',
    'peakMemory',
    'bytesIn',
    'bytesOut',
    'log',
  ],
] as const;

/** The header line (RFC 4180): the fields of an attempt, then one column per counter. */
export function csvHeader(counters: readonly string[]): string {
  return line([...COLUMNS, ...counters.map((name) => `counter:${name}`)]);
}

/** One attempt as a line. Unknown is empty. */
export function csvLine(attempt: AttemptEvent, counters: readonly string[]): string {
  const { job, step, task, startedAt, endedAt } = attempt;
  return line([
    ...[job, step, task, attempt.round, attempt.number, attempt.attempt, attempt.outcome, attempt.worker, attempt.slot],
    ...[iso(startedAt), endedAt === null ? null : iso(endedAt)],
    ...[endedAt === null ? null : (endedAt - startedAt) / 1_000, attempt.waitSeconds, attempt.exitCode],
    ...[attempt.reason, attempt.error === null ? null : harmless(attempt.error)],
    ...[attempt.cpuSeconds, attempt.peakMemory, attempt.bytesIn, attempt.bytesOut],
    logKey(job, step, task, attempt.attempt),
    ...counters.map((name) => attempt.counters[name] ?? null),
  ]);
}

function line(cells: readonly (string | number | null)[]): string {
  return `${cells.map((cell) => (typeof cell === 'string' ? quoted(cell) : (cell ?? ''))).join(',')}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A command's output must not become a formula in a spreadsheet. */
function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

const iso = (at: number): string => new Date(at).toISOString();
