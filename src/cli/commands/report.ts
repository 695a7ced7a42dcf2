import { BatchctlError } from '../../errors.ts';
import { compareReports } from '../../model/report/compare.ts';
import { jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, choice, defineCommand, type JsonSchema, parsed } from '../command.ts';
import type { Context } from '../context.ts';

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
    import('../../jobs/report.ts'),
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

const count = { type: 'integer', minimum: 0 };

const text = { type: 'string' };

const number = { type: 'number' };

const time = { type: 'string', format: 'date-time' };

const textOrNull = { type: ['string', 'null'] };

const numberOrNull = { type: ['number', 'null'] };

const countOrNull = { type: ['integer', 'null'] };

const timeOrNull = { type: ['string', 'null'], format: 'date-time' };

const map = { type: 'object' };

const list = (properties: Readonly<Record<string, unknown>>) => ({
  type: 'array',
  items: { type: 'object', properties },
});

const object = (properties: Readonly<Record<string, unknown>>) => ({ type: 'object', properties });

const nullable = (properties: Readonly<Record<string, unknown>>) => ({ type: ['object', 'null'], properties });

const distribution = nullable({
  ...{ count, min: number, mean: number, p50: number, p95: number, p99: number, max: number, sum: number },
  bins: list({ from: number, to: number, count }),
});

const step = {
  ...{ name: text, group: text, gather: { type: 'boolean' } },
  ...{ tasks: count, done: count, failed: count, skipped: count, retried: count, interrupted: count },
  ...{ duration: distribution, wait: distribution },
  ...{
    bytesIn: count,
    bytesOut: count,
    cpuSeconds: numberOrNull,
    peakMemory: countOrNull,
    counters: map,
    cost: numberOrNull,
  },
};

const figure = {
  ...{ code: text, name: text, step: textOrNull },
  unit: { enum: ['seconds', 'bytes', 'count', 'perSecond', 'share', 'usd', 'number'] },
  ...{ perTask: { type: 'boolean' }, before: numberOrNull, now: numberOrNull, change: numberOrNull },
  ...{ better: { enum: ['less', 'more', null] }, matters: { type: 'boolean' }, regressed: { type: 'boolean' } },
};

/** What `report --json` prints. */
const REPORT_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['format', 'job', 'name', 'runKey', 'state', 'steps', 'totals', 'compared'],
  properties: {
    ...{ format: { const: 1 }, job: text, name: text, runKey: textOrNull, period: textOrNull },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] },
    ...{ reason: textOrNull, round: count, labels: map, params: map },
    rehearsal: object({ parts: count, of: count }),
    ...{ createdBy: text, host: text, version: text, digest: text, code: textOrNull },
    ...{ createdAt: time, startedAt: timeOrNull, endedAt: timeOrNull, closedAt: timeOrNull, seconds: number },
    exact: { type: 'boolean' },
    proof: nullable({ key: text, when: time, deep: { type: 'boolean' } }),
    inputs: object({ count, bytes: count, records: countOrNull }),
    parts: count,
    steps: list(step),
    totals: object({
      ...{ tasks: count, done: count, failed: count, skipped: count, attempts: count },
      ...{ retried: count, interrupted: count, bytesIn: count, bytesOut: count, cpuSeconds: numberOrNull },
      ...{ usefulSeconds: number, lostSeconds: number, slots: count, slotSeconds: number },
      ...{ utilisation: numberOrNull, rate: numberOrNull },
    }),
    throughput: object({
      ...{ from: timeOrNull, seconds: number },
      bins: list({ done: count, retried: count, failed: count, interrupted: count, running: number, slots: number }),
    }),
    timeline: object({
      ...{ from: timeOrNull, seconds: number, hidden: count },
      rows: list({
        ...{ label: text, worker: textOrNull, slots: count, busy: number },
        bars: list({
          ...{ start: number, end: number, task: text },
          outcome: { enum: ['done', 'failedAttempt', 'failed', 'interrupted', 'running'] },
        }),
        shares: { type: ['array', 'null'], items: number },
      }),
    }),
    workers: list({
      ...{ worker: text, host: textOrNull, slots: count, from: time, to: time },
      ...{ done: count, failedAttempts: count, interrupted: count, busySeconds: number },
    }),
    causes: list({
      ...{ cause: text, step: text, reason: text, exitCode: { type: ['integer', 'null'] }, error: text },
      ...{ attempts: count, forGood: count, badInput: count, firstAt: time, lastAt: time },
      example: object({ task: text, error: textOrNull, log: text }),
    }),
    slowest: list({
      ...{ task: text, seconds: number, times: number, attempts: count, worker: text },
      ...{ bytesIn: countOrNull, peakMemory: countOrNull, log: text },
    }),
    expectations: list({ equation: text, ok: { type: ['boolean', 'null'] }, left: textOrNull, right: textOrNull }),
    decisions: list({ when: time, who: text, what: text, text }),
    late: { type: 'array', items: text },
    cost: nullable({ usd: number, basis: text }),
    compared: nullable({
      ...{ job: text, name: text, createdAt: time, perTask: { type: 'boolean' }, regress: numberOrNull },
      ...{ figures: list(figure), regressions: { type: 'array', items: text } },
    }),
  },
};
