import * as v from 'valibot';
import { count, describe, instant, jobId, text, textOrNull, type Value } from './shapes.ts';

const resized = {
  group: text,
  from: describe(count, 'desired instances before'),
  to: describe(count, 'desired instances after; of a hung launch, those in service'),
  onDemand: describe(
    v.nullable(count),
    'raised: the new number of on-demand instances in place of spot; lowered: those that remain; null if unchanged',
  ),
};

/** The result of a round, the answer of `tick`. */
export const TICK_ANSWER = v.object({
  keeper: describe(text, 'the id under which it is recorded as active'),
  fired: describe(
    v.array(v.object({ schedule: text, period: text, at: describe(instant, 'due time'), job: textOrNull })),
    'with --dry-run: firings that would be made, without a job',
  ),
  waiting: describe(
    v.array(v.object({ schedule: text, period: text, at: instant, why: text })),
    'firings that wait for their input (`--await-input`)',
  ),
  missed: describe(
    v.array(v.object({ schedule: text, period: text, at: instant })),
    'firings whose catch-up ended since the last round',
  ),
  moved: describe(
    v.array(
      v.object({
        job: text,
        move: describe(v.picklist(['open', 'retry-rest', 'close']), 'open: a gather, or the step after an `explode`'),
      }),
    ),
    'actions for open jobs',
  ),
  raised: describe(v.array(v.object(resized)), 'groups'),
  lowered: describe(v.array(v.object(resized)), 'groups whose launches hung without work'),
  delivered: describe(v.array(text), 'results of deliveries, as text'),
  troubles: describe(
    v.array(
      v.object({
        about: describe(text, '`job ...`, `schedule ...`, `group ...`'),
        kind: describe(text, 'of error'),
        message: text,
        hint: textOrNull,
        news: describe(v.boolean(), 'false: it was reported within the last hour'),
      }),
    ),
    'what failed, while everything else was done',
  ),
  dryRun: describe(v.boolean(), 'true: nothing was changed'),
});

export type TickAnswer = Value<typeof TICK_ANSWER>;

/** One check of `doctor`. */
export const CHECK_RESULT = v.object({
  code: describe(text, 'the check, a stable word: createIfAbsent'),
  severity: describe(v.picklist(['pass', 'warn', 'fail']), "fail: jobs can't run, or aren't safe"),
  message: describe(text, 'the finding'),
  fix: describe(textOrNull, 'the command or step that fixes it; null for a pass'),
});

export type CheckResult = Value<typeof CHECK_RESULT>;

const JOB_PROBLEMS = v.array(v.object({ job: jobId, why: describe(text, 'the error') }));

/** The answer of `ledger rebuild`. */
export const REBUILD_ANSWER = v.object({
  jobs: describe(count, 'jobs written to the ledger'),
  attempts: describe(count, 'attempts written to the ledger, whether it knew them or not'),
  exact: describe(count, 'jobs whose counts are known to match the store'),
  unreadable: describe(JOB_PROBLEMS, 'jobs that were skipped'),
  damaged: describe(JOB_PROBLEMS, "failures that can't be read in full; the readable part was written"),
  dryRun: describe(v.boolean(), 'true: nothing was written'),
});

export type RebuildAnswer = Value<typeof REBUILD_ANSWER>;
