import * as v from 'valibot';
import { count, describe, jobId, jobState, runKeyOrNull, text, textOrNull, type Value } from './shapes.ts';

/** Sets of tasks by step: `{"price": "0-4,17"}`. */
export const TASK_SETS = describe(v.record(text, text), 'by step: 0-4,17');

/** Changes by a person: `from` and `to` are values in the job file's form. */
export const CHANGES = describe(
  v.array(
    v.object({
      field: describe(
        text,
        'for `retry` and `resume`: `params.region`, `steps.price.timeout`, `code`, `files/NAME`; for `adjust`: notBefore, finishBy, maxCost, tolerate, maxRunning, expect.EQUATION for an accepted control total',
      ),
      from: describe(v.unknown(), 'null for none; durations in seconds, sizes in bytes, files by hash'),
      to: describe(v.unknown(), 'the same'),
    }),
  ),
  'what was, or would be, changed',
);

export const EMPTY_INPUTS = describe(v.array(text), 'names of inputs without any parts: empty, or with a header only');

export const SUBMIT_ANSWER = v.object({
  job: jobId,
  runKey: runKeyOrNull,
  created: describe(v.boolean(), 'false: it existed already'),
  added: describe(count, 'tasks of the first step that `--extend` added; 0 for a new job'),
  emptyInputs: EMPTY_INPUTS,
});

export type SubmitAnswer = Value<typeof SUBMIT_ANSWER>;

/** The answer of `pause` and `cancel`. */
export const STATE_CHANGE_ANSWER = v.object({
  job: jobId,
  state: jobState,
  changed: describe(v.boolean(), 'false: nothing to change, or --dry-run'),
});

export const RESUME_ANSWER = v.object({
  ...STATE_CHANGE_ANSWER.entries,
  changes: CHANGES,
  sent: describe(count, 'messages'),
});

export type StateChangeAnswer = Value<typeof STATE_CHANGE_ANSWER>;
export type ResumeAnswer = Value<typeof RESUME_ANSWER>;

export const ADJUST_ANSWER = v.object({ ...STATE_CHANGE_ANSWER.entries, changes: CHANGES });

export type AdjustAnswer = Value<typeof ADJUST_ANSWER>;

/** The answer of `retry`. */
export const RETRY_ANSWER = v.object({
  job: jobId,
  state: jobState,
  round: describe(
    v.nullable(count),
    'the new round; null if nothing was retried. With a `count` of 0: the job continues, as its failed tasks were published late',
  ),
  tasks: describe(TASK_SETS, 'retried tasks, by step'),
  canaries: describe(v.nullable(TASK_SETS), 'tasks that run first, by step; null without --canary'),
  leftOut: describe(
    v.record(text, text),
    'failed tasks that are not retried, because a gather has opened without them',
  ),
  count: describe(count, 'number of retried tasks'),
  changes: CHANGES,
  sent: describe(count, 'messages'),
});

export type RetryAnswer = Value<typeof RETRY_ANSWER>;

export const SKIP_ANSWER = v.object({
  job: jobId,
  state: describe(jobState, 'of the job, afterwards'),
  changed: describe(v.boolean(), 'false: nothing to change, or --dry-run'),
  undo: describe(v.boolean(), 'the skip was undone'),
  tasks: describe(TASK_SETS, 'tasks that are now skipped, or no longer skipped, by step'),
  count: describe(count, 'number of these tasks'),
  already: describe(count, 'tasks already in this state'),
  reason: describe(textOrNull, 'null for an undo'),
  sent: describe(count, 'messages'),
});

export type SkipAnswer = Value<typeof SKIP_ANSWER>;
