import * as v from 'valibot';
import { count, describe, instant, text, textOrNull, type Value } from './shapes.ts';

const resized = {
  group: text,
  from: count,
  to: count,
  onDemand: describe(v.nullable(count), 'number of instances on demand from now on instead of spot; null if unchanged'),
};

/** The result of a round, the answer of `tick`. */
export const TICK_ANSWER = v.object({
  keeper: describe(text, 'the id under which it is recorded as active'),
  fired: describe(
    v.array(v.object({ schedule: text, period: text, at: instant, job: textOrNull })),
    'with --dry-run: what would be fired, without a job',
  ),
  waiting: describe(
    v.array(v.object({ schedule: text, period: text, at: instant, why: text })),
    'waiting for their input, because of --await-input',
  ),
  missed: describe(
    v.array(v.object({ schedule: text, period: text, at: instant })),
    'periods whose catch-up time ended since the last round',
  ),
  moved: describe(
    v.array(v.object({ job: text, move: v.picklist(['open', 'retry-rest', 'close']) })),
    'what was due for open jobs',
  ),
  raised: describe(v.array(v.object(resized)), 'groups'),
  lowered: describe(v.array(v.object(resized)), 'groups whose launches hung without work'),
  delivered: describe(v.array(text), 'results of deliveries, as text'),
  troubles: describe(
    v.array(
      v.object({
        about: text,
        kind: describe(text, 'of the error'),
        message: text,
        hint: textOrNull,
        news: describe(v.boolean(), 'false: it was reported within the last hour'),
      }),
    ),
    'what failed, while everything else was done',
  ),
  dryRun: v.boolean(),
});

export type TickAnswer = Value<typeof TICK_ANSWER>;

/** One check of `doctor`. */
export const CHECK_RESULT = v.object({
  code: describe(text, 'stable identifier of the check'),
  severity: v.picklist(['pass', 'warn', 'fail']),
  message: describe(text, 'what was found'),
  fix: describe(textOrNull, 'the command or step that fixes it; null for a pass'),
});

export type CheckResult = Value<typeof CHECK_RESULT>;

const JOB_PROBLEMS = v.array(v.object({ job: text, why: text }));

/** The answer of `ledger rebuild`. */
export const REBUILD_ANSWER = v.object({
  jobs: describe(count, 'jobs written to the ledger'),
  attempts: describe(count, 'attempts written to the ledger, known before or not'),
  exact: describe(count, 'jobs whose counts are known to match the store'),
  unreadable: JOB_PROBLEMS,
  damaged: describe(JOB_PROBLEMS, "failures that can't be read in full; the readable part was written"),
  dryRun: describe(v.boolean(), 'true: nothing was written'),
});

export type RebuildAnswer = Value<typeof REBUILD_ANSWER>;
