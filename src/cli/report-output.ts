import { resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { csvRow, plainCell } from '../lib/csv-row.ts';
import { isoOf } from '../lib/instant.ts';
import { ownValue } from '../lib/json.ts';
import { formatSize } from '../lib/units.ts';
import type { ComparedReport } from '../model/answers/report.ts';
import { logKey } from '../model/keys.ts';
import type { AttemptEvent } from '../model/ledger/records.ts';
import type { TaskParams } from '../model/part.ts';
import type { AttemptsEvent, ReadingEvent } from '../verbs/report.ts';
import type { Context } from './context.ts';
import { lazyProgress } from './progress.ts';
import { print } from './render.ts';
import { openReportFile, type ReportSink } from './report-file.ts';
import { escapeKeepingColours } from './terminal-text.ts';
import type { Presenter } from './verb-command.ts';

type Format = 'table' | 'json' | 'html';

/** Writes a report to a file, or to stdout for `-` and undefined. With a file and `--json`, stdout gets the JSON. */
export function showReport(
  ctx: Context,
  said: Format | undefined,
  output: string | undefined,
): Presenter<ComparedReport, ReadingEvent> {
  const progress = progressOf(ctx, 'reading attempts');
  const format = said ?? (ctx.flags.json ? 'json' : 'table');
  return {
    event: progress.show,
    async answer(report) {
      progress.done();
      await writeTo(ctx, output, async (sink, look) => sink.write(await textOf(look, format, report)));
      if (isFile(output) && ctx.flags.json && format !== 'json') await print(ctx, jsonOf(report));
    },
    close: progress.failed,
  };
}

/** Writes one line per attempt, as they are read. `onFound` receives the job's id. */
export function showAttempts(
  ctx: Context,
  output: string | undefined,
  onFound: (job: string) => void,
): Presenter<AsyncIterable<readonly ListedAttempt[]>, AttemptsEvent> {
  const progress = progressOf(ctx, 'writing attempts');
  let names: CsvNames = { counters: [], params: [] };
  return {
    async event(event) {
      if (event.event === 'reading') return progress.show(event);
      names = event;
      onFound(event.job);
    },
    async answer(pages) {
      await writeTo(ctx, output, async (sink) => {
        let begun = false;
        for await (const page of pages) {
          if (!begun) await sink.write(csvHeader(names));
          begun = true;
          if (page.length > 0) await sink.write(page.map((attempt) => csvLine(attempt, names)).join(''));
        }
        progress.done();
      });
    },
    close: progress.failed,
  };
}

const isFile = (output: string | undefined): output is string => output !== undefined && output !== '-';

/** Calls `write` with the destination, and with the context whose terminal decides on width and colours. */
async function writeTo(
  ctx: Context,
  output: string | undefined,
  write: (sink: ReportSink, look: Context) => Promise<void>,
): Promise<void> {
  const file = isFile(output) ? await openReportFile(resolve(ctx.io.cwd, output)) : null;
  if (file === null) return write(stdoutOf(ctx), ctx);
  try {
    await write(file, { ...ctx, io: { ...ctx.io, stdout: new PassThrough() } });
  } catch (error) {
    await file.abandon();
    throw error;
  }
  ctx.notice(`wrote ${output} (${formatSize(await file.commit())})`);
}

function stdoutOf(ctx: Context): ReportSink {
  return { write: (text) => print(ctx, text), commit: async () => 0, abandon: async () => undefined };
}

async function textOf(ctx: Context, format: Format, answer: ComparedReport): Promise<string> {
  if (format === 'json') return jsonOf(answer);
  const { compared, ...report } = answer;
  if (format === 'html') {
    const { renderReportHtml } = await import('./report-html/render.ts');
    return renderReportHtml(report, { zone: await ctx.zone(), compared });
  }
  const { comparedText, reportText } = await import('./report-text.ts');
  const text = await reportText(ctx, report);
  const rest = compared === null ? '' : `\n\n${await comparedText(ctx, compared)}`;
  // Also in a file, which is shown on a terminal later.
  return `${escapeKeepingColours(text + rest)}\n`;
}

const jsonOf = (report: ComparedReport): string => `${JSON.stringify(report)}\n`;

function progressOf(ctx: Context, label: string) {
  let job: string | null = null;
  const progress = lazyProgress(ctx, label);
  return {
    done: progress.done,
    failed: progress.failed,
    async show(event: ReadingEvent): Promise<void> {
      if (job !== event.job) progress.done();
      job = event.job;
      await progress.update(event.attempts, event.of);
    },
  };
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

interface CsvNames {
  readonly counters: readonly string[];
  readonly params: readonly string[];
}

type ListedAttempt = AttemptEvent & { readonly params?: TaskParams | null };

/** The header line (RFC 4180): the fields of an attempt, then one column per parameter and per counter. */
export function csvHeader({ counters, params }: CsvNames): string {
  return csvRow([...COLUMNS, ...params.map((name) => `param:${name}`), ...counters.map((name) => `counter:${name}`)]);
}

/** One attempt as a line. Unknown is empty. */
export function csvLine(attempt: ListedAttempt, { counters, params }: CsvNames): string {
  const { job, step, task, startedAt, endedAt } = attempt;
  return csvRow([
    ...[job, step, task, attempt.round, attempt.number, attempt.attempt, attempt.outcome, attempt.worker, attempt.slot],
    ...[isoOf(startedAt), isoOf(endedAt)],
    ...[endedAt === null ? null : (endedAt - startedAt) / 1_000, attempt.waitSeconds, attempt.exitCode],
    ...[attempt.reason, plainCell(attempt.error)],
    ...[attempt.cpuSeconds, attempt.peakMemory, attempt.bytesIn, attempt.bytesOut],
    logKey(job, step, task, attempt.attempt),
    ...params.map((name) => plainCell(ownValue(attempt.params ?? {}, name) ?? null)),
    ...counters.map((name) => ownValue(attempt.counters, name) ?? null),
  ]);
}
