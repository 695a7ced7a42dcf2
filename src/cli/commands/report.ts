import { extname } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { report, reportAttempts } from '../../verbs/report.ts';
import { type CommandDefinition, type CommandHelp, choice, type RawInput, type RunVerb } from '../command.ts';
import type { Context } from '../context.ts';
import { runInProcess } from '../in-process.ts';
import { showAttempts, showReport } from '../report-output.ts';
import { verbCommand } from '../verb-command.ts';

const HELP: CommandHelp = {
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
  exitCodes: {
    0: 'in any state of the job',
    4: 'no such job, or no job to compare with',
    11: 'with --regress: a figure is worse',
  },
  related: ['status', 'failures', 'tasks', 'verify', 'logs'],
};

const OPTIONS = {
  '--format <format>': choice(
    'output format (default: as the name of the file ends, or table). csv: one line per attempt',
    [...(['table', 'json', 'csv', 'html'] as const)],
  ),
  '-o, --output <file>': 'write to a file, complete or not at all; - is stdout',
};

/** The format csv is made from the attempts themselves, all others from the report. */
export function reportCommand(ctx: Context): CommandDefinition {
  const whole = verbCommand(ctx, report, {
    help: HELP,
    options: OPTIONS,
    show: (_, { format, output }) => showReport(ctx, format as 'table' | undefined, output as string | undefined),
  });
  const runBy = async (runVerb: RunVerb, given: RawInput): Promise<number> => {
    const input: RawInput = { ...given, format: formatOf(given) };
    check(ctx, input);
    if (input.format !== 'csv') return (await whole.runBy?.(runVerb, input)) ?? 0;
    const output = input.output as string | undefined;
    let job = input.job;
    const attempts = verbCommand(ctx, reportAttempts, {
      help: HELP,
      show: () =>
        showAttempts(ctx, output, (found) => {
          job = found;
        }),
    });
    const code = (await attempts.runBy?.(runVerb, input)) ?? 0;
    if (!ctx.flags.json || !isFile(output)) return code;
    // With a file and --json, stdout gets the JSON.
    return (await whole.runBy?.(runVerb, { ...input, job, format: undefined, output: undefined })) ?? 0;
  };
  return {
    ...whole,
    runBy,
    run: (input) => runBy((verb, given, tell) => runInProcess(ctx, verb, given, tell), input),
  };
}

const isFile = (output: unknown): boolean => output !== undefined && output !== '-';

/**
 * The format of the report: as the file's name says unless given. Throws `usage` for text in a file that browsers show
 * as HTML: only the HTML report escapes what tasks wrote.
 */
function formatOf({ format, output }: RawInput): unknown {
  const extension = isFile(output)
    ? extname(String(output))
        .slice(1)
        .toLowerCase()
        .replace(/^x?html?$/, 'html')
    : '';
  if (extension === 'html' && format !== undefined && format !== 'html') {
    throw new BatchctlError(
      'usage',
      `--format ${String(format)} writes no HTML, found a file named ${String(output)}`,
      {
        hint: `a browser would run what tasks wrote: use --format html, or -o report.${format === 'table' ? 'txt' : String(format)}`,
      },
    );
  }
  return format ?? (['html', 'csv', 'json'].includes(extension) ? extension : undefined);
}

function check(ctx: Context, { format, output, compare }: RawInput): void {
  if (format === 'csv' && compare !== undefined) {
    throw new BatchctlError('usage', "--compare can't be combined with csv, which has one line per attempt", {
      hint: 'batchctl report last --compare last --format json',
    });
  }
  if (ctx.flags.json && format !== undefined && format !== 'json' && !isFile(output)) {
    throw new BatchctlError('usage', `expected one of --json and --format ${format}, found both`, {
      hint: `write the one to a file (-o report.${format}), as --json prints to stdout`,
    });
  }
  if (format === 'html' && output === undefined && ctx.io.stdout.isTTY === true) {
    throw new BatchctlError('usage', 'html output requires a file, found a terminal', {
      hint: 'batchctl report --format html -o report.html',
    });
  }
}
