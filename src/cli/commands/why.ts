import type { Why } from '../../jobs/why/why.ts';
import { CAUSE_CODES, type Cause, SEVERITIES, type Severity } from '../../model/why/cause.ts';
import type { Platform } from '../../ports/platform.ts';
import { JOB_TEXT } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand, type JsonSchema } from '../command.ts';
import type { Context } from '../context.ts';
import { formatCount, formatLeft, formatMany, formatRate, withInstants } from '../format.ts';
import { wrap } from '../help.ts';
import { mendLines } from '../mend-lines.ts';
import { startProgress } from '../progress.ts';
import { answer } from '../render.ts';
import { type Paint, paintFor, type Tint } from '../terminal-text.ts';

export function whyCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': `${JOB_TEXT}; the latest unless given` },
    writes: false,
    output: WHY_OUTPUT,
    help: {
      about:
        'Explains why a job is slow, stuck or failing. Checks its journal and outputs, queues, workers and supervisors, the ledger, disks and credentials. Lists the most important cause first, each with the command that fixes it. Changes nothing.',
      examples: ['batchctl why', 'batchctl why last --json'],
      exitCodes: [
        [0, 'nothing is wrong: it runs normally, or it succeeded'],
        [4, 'no such job'],
        [11, 'it found one or more causes'],
      ],
      related: ['status', 'failures', 'tasks', 'doctor'],
    },
    run: (input) => why({ ctx, ...input }),
  });
}

export interface WhyOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
}

/** Above this many tasks a progress line is shown. */
const LONG = 20_000;

const PATIENCE_MS = 3_000;

/** Explains what is wrong with a job. Returns 11 if it found anything. Throws `notFound`, `usage`. */
export async function why({ ctx, job }: WhyOptions): Promise<number> {
  const [{ whyJob }, { openPlatform }] = await Promise.all([
    import('../../jobs/why/why.ts'),
    import('../../platform/open-platform.ts'),
  ]);
  const config = await ctx.config();
  // A platform of its own with little patience: this command reports that a service is unreachable instead of waiting
  // for it.
  const opened: Platform[] = [];
  const open = async (): Promise<Platform> => {
    const platform = await openPlatform(config, { role: 'cli', onWarning: ctx.warn, patienceMs: PATIENCE_MS });
    opened.push(platform);
    return platform;
  };
  const long = { progress: null as Awaited<ReturnType<typeof startProgress>> | null };
  const found = await whyJob(open, job, async ({ record }) => {
    if (record.parts > LONG && ctx.io.stderr.isTTY === true)
      long.progress = await startProgress(ctx, `checking ${record.job}`);
  }).finally(async () => {
    long.progress?.done();
    for (const platform of opened) await platform.close();
  });
  const zone = await ctx.zone();
  await answer(ctx, { json: found, text: () => whyText(ctx, found, zone) });
  return found.causes.length === 0 ? 0 : 11;
}

/** What `why --json` prints. */
const WHY_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['job', 'state', 'causes', 'running', 'waiting', 'rate', 'eta'],
  properties: {
    job: { type: ['string', 'null'], description: "null if the store or the ledger can't be read" },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled', null] },
    causes: {
      type: 'array',
      description: 'the most important first; none: nothing is wrong',
      items: {
        type: 'object',
        required: ['code', 'severity', 'title', 'evidence', 'mend'],
        properties: {
          code: { enum: CAUSE_CODES, description: 'stable; codes are only ever added' },
          severity: {
            enum: SEVERITIES,
            description:
              'stops: until someone acts; fails: tasks failed for good; slows; waits: continues on its own; note',
          },
          title: { type: 'string', description: 'a sentence with the facts' },
          evidence: { type: 'array', items: { type: 'string' } },
          mend: {
            type: 'string',
            description: 'steps separated by "; ", each a command, then ", " and its purpose; or a sentence',
          },
        },
      },
    },
    running: { type: ['integer', 'null'], description: 'tasks known to the ledger' },
    waiting: { type: ['integer', 'null'], description: 'tasks known to the ledger' },
    rate: { type: ['number', 'null'], description: 'tasks per second' },
    eta: { type: ['number', 'null'], description: 'seconds' },
  },
};

const TINTS: Readonly<Record<Severity, Tint>> = {
  stops: 'bad',
  fails: 'bad',
  slows: 'doubtful',
  waits: 'doubtful',
  note: 'faint',
};

const INDENT = '   ';

const MEND = 'fix:  ';

/** Causes for people: each with its facts, what it was seen by, and what mends it. */
function whyText(ctx: Context, found: Why, zone: string): string {
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
