import { BatchctlError } from '../../errors.ts';
import { compareReports } from '../../model/report/compare.ts';
import { jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, choice, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { REPORT_OUTPUT } from '../report-schema.ts';

export function reportCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: {
      '--format <format>': choice('output format (default: table). csv: one line per attempt', [
        'table',
        'json',
        'csv',
        'html',
      ]),
      '-o, --output <file>': 'write to a file, complete or not at all; - is stdout',
      '--compare <job>': 'compare with another job; last: the previous finished job of this name',
      '--regress <share>': parsed(
        'with --compare: exit with 11 if a relevant figure is worse by more than this: 20%',
        parseShare,
      ),
    },
    writes: false,
    output: REPORT_OUTPUT,
    help: {
      about: [
        'Reports how a job went: durations by step, waiting, throughput over time, what each worker ran, causes of failures and the slowest tasks.',
        'html writes a single self-contained file.',
        'Quantiles are exact up to 10,000 tasks per step, and within 1 % above that.',
        '--regress compares the total time, p50 and p95 of each step, failures, retries and cost;',
        'if the jobs differ in size, it compares total time, failures, retries and cost per task.',
      ].join(' '),
      examples: [
        'batchctl report',
        'batchctl report last --format html -o report.html',
        'batchctl report last --compare last --regress 20%',
        'batchctl report key:month-end-2026-11 --format csv -o attempts.csv',
      ],
      exitCodes: [
        [0, 'in any state of the job'],
        [4, 'no such job, or no job to compare with'],
        [11, 'with --regress: a figure is worse'],
      ],
      related: ['status', 'failures', 'tasks', 'verify', 'logs'],
    },
    run: (input) => report({ ctx, ...input }),
  });
}

export interface ReportOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly format: 'table' | 'json' | 'csv' | 'html' | undefined;
  readonly output: string | undefined;
  readonly compare: string | undefined;
  /** A share, at least 0. */
  readonly regress: number | undefined;
}

/** Writes a job's report. Throws `notFound`, `usage`, and `finding` if a comparison is worse than allowed. */
export async function report(options: ReportOptions): Promise<void> {
  const { ctx, job, compare, regress } = options;
  check(options);
  const [{ measureJob, writeReport }, { comparedJob }] = await Promise.all([
    import('../report-output.ts'),
    import('../../jobs/report/compared-job.ts'),
  ]);
  const platform = await ctx.platform();
  const view = await jobShown(ctx, job);
  if (options.format === 'csv') return writeReport(options, { view, report: null, compared: null });
  const other = compare === undefined ? null : await comparedJob(platform, view, compare);
  const now = await measureJob(ctx, view);
  const compared = other === null ? null : compareReports(await measureJob(ctx, other), now, regress ?? null);
  await writeReport(options, { view, report: now, compared });
  if (compared === null || compared.regressions.length === 0) return;
  throw new BatchctlError('finding', `${now.job} is worse than ${compared.job}: ${compared.regressions.join('; ')}`, {
    hint: `batchctl report ${now.job} --compare ${compared.job}`,
  });
}

function check({ ctx, format, output, compare, regress }: ReportOptions): void {
  if (regress !== undefined && compare === undefined) {
    throw new BatchctlError('usage', '--regress requires --compare', {
      hint: 'batchctl report last --compare last --regress 20%',
    });
  }
  if (format === 'csv' && compare !== undefined) {
    throw new BatchctlError('usage', "--compare can't be combined with csv, which has one line per attempt", {
      hint: 'batchctl report last --compare last --format json',
    });
  }
  const toFile = output !== undefined && output !== '-';
  if (ctx.flags.json && format !== undefined && format !== 'json' && !toFile) {
    throw new BatchctlError('usage', `expected one of --json and --format ${format}, found both`, {
      hint: `write the one to a file (-o report.${format}), as --json prints to stdout`,
    });
  }
  if (format === 'html' && !toFile && output !== '-' && ctx.io.stdout.isTTY === true) {
    throw new BatchctlError('usage', 'html output requires a file, found a terminal', {
      hint: 'batchctl report --format html -o report.html',
    });
  }
}

/** `20%` as 0.2. Throws a RangeError. */
function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (match === null || !Number.isSafeInteger(Math.round(Number(match[1]))))
    throw new RangeError(`expected a percentage such as 20%, found "${text}"`);
  return Number(match[1]) / 100;
}
