import type { WhyAnswer } from '../../model/answers/tasks.ts';
import type { CheckResult } from '../../model/answers/upkeep.ts';
import { doctor, type WhyEvent, why } from '../../verbs/diagnosis.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { findingDetails, SEVERITY_TINTS } from '../finding-text.ts';
import { formatCount, formatLeft, formatMany, formatRate, localizeInstants } from '../format.ts';
import { columnsOf, wrap } from '../help.ts';
import { type Progress, startProgress } from '../progress.ts';
import { print, printAnswer } from '../render.ts';
import { type Paint, paintFor } from '../terminal-text.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

export function doctorCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, doctor, {
    help: {
      about:
        'Checks everything that jobs depend on: the configuration, this machine, workers and open jobs. On the local profile, also the root directory and its file system, the ledger and the queue. On AWS, also the credentials and their expiry, the bucket, its lifecycle rules and conditional writes, queues, ledger, clock and proxy. All checks run at once and take seconds; one that hangs is abandoned. Leaves nothing behind.',
      examples: ['batchctl doctor', 'batchctl doctor --strict --json'],
      exitCodes: { 0: 'no check failed', 3: 'a check failed', 11: 'with --strict: a check warned' },
      related: ['why', 'config show', 'workers', 'queue', 'notify test'],
    },
    show: () => ({ answer: (checks) => show(ctx, checks) }),
  });
}

async function show(ctx: Context, checks: AsyncIterable<CheckResult>): Promise<void> {
  const results = await runChecks(ctx, checks);
  const paint = paintFor(ctx, ctx.io.stdout);
  const width = Math.max(...results.map(({ code }) => code.length));
  const { stdout } = ctx.io;
  const room = stdout.isTTY === true ? columnsOf(stdout) : Number.POSITIVE_INFINITY;
  for (const result of results) {
    const { code, severity, message } = result;
    const line = `${paint(SEVERITY_TINTS[severity], severity)}  ${code.padEnd(width)}  ${message}`;
    const text = `${line}${findingDetails(result, 8 + width, room)}`;
    await print(ctx, `${ctx.flags.json ? JSON.stringify(result) : text}\n`);
  }
  const some = (wanted: CheckResult['severity']): number =>
    results.filter(({ severity }) => severity === wanted).length;
  if (!ctx.flags.json) ctx.notice(`${results.length} checks: ${some('fail')} failed, ${some('warn')} with a warning`);
}

/** Runs all checks at once and shows the results together. */
async function runChecks(ctx: Context, checks: AsyncIterable<CheckResult>): Promise<readonly CheckResult[]> {
  const progress = ctx.io.stderr.isTTY === true ? await startProgress(ctx, 'examining') : null;
  const results: CheckResult[] = [];
  try {
    for await (const result of checks) results.push(result);
  } finally {
    progress?.done('examined');
  }
  return results;
}

export function whyCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, why, {
    help: {
      about:
        'Explains why a job is slow, stuck or failing. Checks its journal and outputs, queues, workers and supervisors, the ledger, disks and credentials. Lists the most important cause first, each with the command that fixes it. Changes nothing.',
      examples: ['batchctl why', 'batchctl why last --json'],
      exitCodes: {
        0: 'nothing is wrong: it runs normally, or it succeeded',
        4: 'no such job',
        11: 'it found one or more causes',
      },
      related: ['status', 'failures', 'tasks', 'doctor'],
    },
    show: () => whyPresenter(ctx),
  });
}

function whyPresenter(ctx: Context): Presenter<WhyAnswer, WhyEvent> {
  let progress: Progress | null = null;
  const end = (): void => {
    progress?.done();
    progress = null;
  };
  return {
    async event({ job }) {
      if (ctx.io.stderr.isTTY === true) progress = await startProgress(ctx, `checking ${job}`);
    },
    async answer(found) {
      end();
      const zone = await ctx.zone();
      await printAnswer(ctx, { json: found, text: () => whyText(ctx, found, zone) });
    },
    close: end,
  };
}

/** Columns before everything but the first line of a cause. */
const INDENT = 3;

function whyText(ctx: Context, found: WhyAnswer, zone: string): string {
  const paint = paintFor(ctx, ctx.io.stdout);
  const { causes } = found;
  if (causes.length === 0) return healthyText(found);
  const now = ctx.clock.now();
  const terminal = ctx.io.stdout.isTTY === true;
  const room = terminal ? Math.max(40, columnsOf(ctx.io.stdout)) : Number.POSITIVE_INFINITY;
  const zoned = (text: string): string => localizeInstants(text, zone, now);
  const head =
    found.job === null
      ? "the job can't be read"
      : `${found.job}: ${found.state}, ${formatMany(causes.length, 'cause')}`;
  return [head, ...causes.map((cause, at) => causeText(cause, at + 1, { paint, room, zoned }))].join('\n\n');
}

interface TextLayout {
  readonly paint: Paint;
  /** Width in columns. A command is never broken. */
  readonly room: number;
  readonly zoned: (text: string) => string;
}

function causeText(
  { code, severity, message, evidence, fix }: WhyAnswer['causes'][number],
  number: number,
  { paint, room, zoned }: TextLayout,
): string {
  const indent = `\n${' '.repeat(INDENT)}`;
  const first = `${number}. ${paint(SEVERITY_TINTS[severity], code)} ${paint('faint', `(${severity})`)}`;
  const facts = paint('strong', wrap(zoned(message), room - INDENT).join(indent));
  return `${first}${indent}${facts}${findingDetails({ evidence: evidence.map(zoned), fix }, INDENT, room)}`;
}

function healthyText({ job, state, running, waiting, rate, eta }: WhyAnswer): string {
  if (state === 'succeeded') return `${job}: it succeeded, nothing is wrong`;
  const facts = [
    `${formatCount(running ?? 0)} running`,
    `${formatCount(waiting ?? 0)} waiting`,
    ...(rate === null ? [] : [formatRate(rate)]),
    ...(eta === null ? [] : [formatLeft(eta)]),
  ];
  return `${job}: ${state}, nothing is wrong: ${facts.join(', ')}`;
}
