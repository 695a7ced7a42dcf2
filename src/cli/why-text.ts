import type { Why } from '../jobs/why/why.ts';
import type { Cause, Severity } from '../model/why/cause.ts';
import { type Paint, paintFor, type Tint } from './colors.ts';
import type { Context } from './context.ts';
import { formatCount, formatLeft, formatMany, formatRate, withInstants } from './format.ts';
import { wrap } from './help.ts';
import { mendLines } from './mend-lines.ts';

const TINTS: Readonly<Record<Severity, Tint>> = {
  stops: 'bad',
  fails: 'bad',
  slows: 'doubtful',
  waits: 'doubtful',
  note: 'faint',
};
const INDENT = '   ';
const MEND = 'mend: ';

/** Causes for people: each with its facts, what it was seen by, and what mends it. */
export function whyText(ctx: Context, found: Why, zone: string): string {
  const paint = paintFor(ctx, ctx.io.stdout);
  const { causes } = found;
  if (causes.length === 0) return healthyText(found);
  const now = ctx.clock.now();
  const terminal = ctx.io.stdout.isTTY === true;
  const room = terminal ? Math.max(40, ctx.io.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  const zoned = (text: string): string => withInstants(text, zone, now);
  const head =
    found.job === null
      ? "the job can't be read"
      : `${found.job}: ${found.state}, ${formatMany(causes.length, 'cause')}`;
  return [head, ...causes.map((cause, at) => causeText(cause, at + 1, { paint, room, zoned }))].join('\n\n');
}

interface Look {
  readonly paint: Paint;
  /** Columns; a command is never broken. */
  readonly room: number;
  readonly zoned: (text: string) => string;
}

function causeText(
  { code, severity, title, evidence, mend }: Cause,
  number: number,
  { paint, room, zoned }: Look,
): string {
  const indented = (text: string, indent: string): string => wrap(text, room - indent.length).join(`\n${indent}`);
  const first = `${number}. ${paint(TINTS[severity], code)} ${paint('faint', `(${severity})`)}`;
  return [
    first,
    `${INDENT}${paint('strong', indented(zoned(title), INDENT))}`,
    ...evidence.map((line) => `${INDENT}- ${indented(zoned(line), `${INDENT}  `)}`),
    ...mendLines(mend, room - INDENT.length - MEND.length).map(
      (line, at) => `${INDENT}${at === 0 ? MEND : ' '.repeat(MEND.length)}${line}`,
    ),
  ].join('\n');
}

function healthyText({ job, state, running, waiting, rate, eta }: Why): string {
  if (state === 'succeeded') return `${job}: it succeeded, nothing is wrong`;
  const facts = [
    `${formatCount(running ?? 0)} running`,
    `${formatCount(waiting ?? 0)} waiting`,
    ...(rate === null ? [] : [formatRate(rate)]),
    ...(eta === null ? [] : [formatLeft(eta)]),
  ];
  return `${job}: ${state}, nothing is wrong: ${facts.join(', ')}`;
}
