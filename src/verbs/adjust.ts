import * as v from 'valibot';
import { BatchctlError } from '../errors.ts';
import { type Adjustment, adjust as adjustJob } from '../jobs/change/adjust.ts';
import { wholeNumber } from '../lib/units.ts';
import type { AdjustedAnswer } from '../model/answers/adjust.ts';
import { parseTolerance } from '../model/job.ts';
import { stateOf } from '../model/view.ts';
import { changedJob, jobMeant } from './job.ts';
import { beginningOf, deadlineOf, dollars, refuseCost } from './limits.ts';
import { field, parsedText, text, verb } from './verb.ts';

const NONE = 'none';

/** Null: no limit. */
const orNone = (parse: (text: string) => number) => parsedText((text) => (text === NONE ? null : parse(text)));

/** Changes the limits of an open job. Throws `notFound`, `refused`, `usage`. */
export const adjust = verb()({
  name: 'adjust',
  scope: 'operate',
  changes: true,
  http: { method: 'PATCH', path: '/jobs/{job}' },
  input: v.strictObject({
    job: changedJob,
    at: v.optional(
      field(
        '--at <time>',
        'new start time of a job that has not started: 18:30, "in 6h", "tomorrow 06:00", or now',
        text,
      ),
    ),
    finishBy: v.optional(field('--finish-by <time>', 'deadline: 18:30, "in 6h", "tomorrow 06:00", or none', text)),
    maxCost: v.optional(field('--max-cost <usd>', 'cost limit, if the profile knows prices; or none', orNone(dollars))),
    tolerate: v.optional(
      field(
        '--tolerate <n>',
        'how many chains may fail for good: a count, or a share such as 0.1%',
        parsedText(toleranceOf),
      ),
    ),
    maxRunning: v.optional(
      field(
        '--max-running <n>',
        'approximate number of tasks of the job that run at a time, or none',
        orNone(wholeNumber(1)),
      ),
    ),
  }),
  answer: async () => (await import('../model/answers/adjust.ts')).ADJUSTED,
  async run(context, { job, at, finishBy, maxCost, tolerate, maxRunning }): Promise<AdjustedAnswer> {
    const wanted: Adjustment = {
      ...(at === undefined ? {} : { notBefore: await beginningOf(context, at) }),
      ...(finishBy === undefined ? {} : { finishBy: finishBy === NONE ? null : await deadlineOf(context, finishBy) }),
      ...(maxCost === undefined ? {} : { maxCost }),
      ...(tolerate === undefined ? {} : { tolerate }),
      ...(maxRunning === undefined ? {} : { maxRunning }),
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
    if (maxCost !== undefined) await refuseCost(context);
    const found = await jobMeant(context, job);
    const { dryRun } = context;
    const { view, changes, changed } = await adjustJob(await context.platform(), found, wanted, { dryRun });
    return { job: view.record.job, state: stateOf(view), changed, changes };
  },
});

function toleranceOf(text: string): string {
  if (text === NONE) throw new RangeError('expected a count or a share: 0 tolerates no failures, 100% any number');
  parseTolerance(text);
  return text;
}
