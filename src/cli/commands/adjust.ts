import { BatchctlError } from '../../errors.ts';
import { type Adjusted, type Adjustment, adjust as adjustJob } from '../../jobs/change/adjust.ts';
import { wholeNumber } from '../../lib/units.ts';
import { parseTolerance } from '../../model/job.ts';
import { stateOf } from '../../model/view.ts';
import { JOB_TEXT, jobMeant, STATE_SCHEMA } from '../../verbs/job.ts';
import { CHANGES_SCHEMA, changesText } from '../changes-text.ts';
import { type CommandDefinition, defineCommand, parsed } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { beginningOf, deadlineOf, dollars, refuseCost } from '../submission-flags.ts';

export function adjustCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT },
    options: {
      '--at <time>': 'new start time of a job that has not started: 18:30, "in 6h", "tomorrow 06:00", or now',
      '--finish-by <time>': 'deadline: 18:30, "in 6h", "tomorrow 06:00", or none',
      '--max-cost <usd>': parsed('cost limit, if the profile knows prices; or none', orNone(dollars)),
      '--tolerate <n>': parsed('how many chains may fail for good: a count, or a share such as 0.1%', toleranceOf),
      '--max-running <n>': parsed(
        'approximate number of tasks of the job that run at a time, or none',
        orNone(wholeNumber(1)),
      ),
    },
    writes: true,
    output: {
      type: 'object',
      required: ['job', 'state', 'changed', 'changes'],
      properties: {
        job: { type: 'string' },
        state: STATE_SCHEMA,
        changed: { type: 'boolean' },
        changes: CHANGES_SCHEMA,
      },
    },
    help: {
      about:
        'Changes the limits of an open job. A higher tolerance opens a gather that was waiting for it. --at moves a job submitted with --at; workers that returned its tasks come back to them within 15 minutes.',
      examples: [
        'batchctl adjust last --finish-by "tomorrow 06:00"',
        'batchctl adjust last --tolerate 0.1% --max-running 8',
        'batchctl adjust last --finish-by none',
        'batchctl adjust last --at "tomorrow 06:00"',
      ],
      exitCodes: [
        [0, 'changed, or unchanged because it was already so'],
        [4, 'no such job'],
        [7, 'refused: the job is closed; or --at for a job that may have started'],
      ],
      related: ['status', 'skip', 'retry', 'pause', 'scale'],
    },
    run: (input) => adjust({ ctx, ...input }),
  });
}

export interface AdjustOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly at: string | undefined;
  readonly finishBy: string | undefined;
  readonly maxCost: number | typeof NONE | null | undefined;
  readonly tolerate: string | undefined;
  readonly maxRunning: number | typeof NONE | null | undefined;
}

/** Adjusts a job. Throws `notFound`, `refused`, `usage`. */
export async function adjust({ ctx, job, at, finishBy, maxCost, tolerate, maxRunning }: AdjustOptions): Promise<void> {
  const wanted: Adjustment = {
    ...(at === undefined ? {} : { notBefore: await beginningOf(ctx, at) }),
    ...(finishBy === undefined ? {} : { finishBy: finishBy === NONE ? null : await deadlineOf(ctx, finishBy) }),
    ...(maxCost === undefined ? {} : { maxCost: liftedBy(maxCost) }),
    ...(tolerate === undefined ? {} : { tolerate }),
    ...(maxRunning === undefined ? {} : { maxRunning: liftedBy(maxRunning) }),
  };
  if (Object.keys(wanted).length === 0) {
    throw new BatchctlError(
      'usage',
      'expected at least one of --at, --finish-by, --max-cost, --tolerate, --max-running',
      {
        hint: `batchctl status ${job} shows the current values`,
      },
    );
  }
  if (maxCost !== undefined) await refuseCost(ctx);
  await ctx.announce();
  const found = await jobMeant(ctx, job);
  const adjusted = await adjustJob(await ctx.platform(), found, wanted, { dryRun: ctx.flags.dryRun });
  const { view, changes, changed } = adjusted;
  await answer(ctx, {
    json: { job: view.record.job, state: stateOf(view), changed, changes },
    text: () => textOf(ctx, adjusted),
  });
}

async function textOf(ctx: Context, { view, changes }: Adjusted): Promise<string> {
  const { job } = view.record;
  if (changes.length === 0) return `${job}: nothing to change`;
  const line = ctx.flags.dryRun ? `${job}: would change` : `${job}: changed; the job is ${stateOf(view)}`;
  return `${line}\n\n${await changesText(ctx, changes)}`;
}

const NONE = 'none';

function orNone(parse: (text: string) => number): (text: string) => number | typeof NONE {
  return (text) => (text === NONE ? NONE : parse(text));
}

/** commander replaces null by an empty text, so `none` is kept as a word up to here. */
const liftedBy = (value: number | typeof NONE | null): number | null => (value === NONE ? null : value);

function toleranceOf(text: string): string {
  if (text === NONE) throw new RangeError('expected a count or a share: 0 tolerates no failures, 100% any number');
  parseTolerance(text);
  return text;
}
