import * as v from 'valibot';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobId,
  jobState,
  numberOrNull,
  PARAMS,
  text,
  textOrNull,
  type Value,
  words,
} from './shapes.ts';

const size = v.pipe(v.number(), v.integer());

/** One object of `ls`. */
export const LISTED_DATA = v.object({
  key: describe(text, 'jobs read it as store:KEY'),
  size: describe(size, 'bytes'),
  modified: describe(instant, 'time of the put'),
  checksum: describe(textOrNull, 'sha256:<hex>; null without --checksums'),
});

/** One object of `rm`. */
export const REMOVED_DATA = v.object({
  key: describe(text, 'as it was given'),
  size: describe(size, 'bytes'),
  dryRun: describe(v.boolean(), 'true: it would be removed'),
});

export type ListedData = Value<typeof LISTED_DATA>;
export type RemovedData = Value<typeof REMOVED_DATA>;

/** How the tasks of a step ended whose outputs are fetched. */
const FETCHED_ENDS = v.object({
  step: describe(text, 'the step of the outputs'),
  outputs: describe(count, 'outputs now at the target'),
  missing: describe(count, 'tasks of the step without an output (so far)'),
  failed: describe(count, 'those of them that failed for good, at this step or before it'),
  skipped: describe(count, 'those of them that were skipped'),
  late: describe(count, 'fetched outputs that the next step did not use, because they came after it had opened'),
});

export type FetchedEnds = Value<typeof FETCHED_ENDS>;

export const FETCH_ANSWER = v.object({
  job: jobId,
  ...FETCHED_ENDS.entries,
  bytes: describe(count, 'size of these outputs; with --table, of the table'),
  output: describe(text, 'the target, as given'),
  guessed: describe(
    v.nullable(v.picklist(['lines', 'bytes'])),
    'how outputs without a final line end were joined, if neither `--join` nor the job says it; null if that did not matter',
  ),
  kept: describe(count, 'outputs whose files already existed with the right checksum'),
  others: describe(
    v.array(text),
    'entries of DIR/ that are not outputs of the step, the first ten by name; none if it had more than 100,000 entries',
  ),
});

export type FetchAnswer = Value<typeof FETCH_ANSWER>;

/** A page of the table of a step's tasks, in task order. */
export const TABLE_PAGE = v.array(
  v.object({
    task: count,
    step: describe(text, 'where the chain of the task is, or ended'),
    state: describe(text, 'at that step: done, failed, skipped, running, waiting'),
    attempts: describe(v.nullable(count), 'at that step; null if the ledger does not know'),
    seconds: describe(numberOrNull, 'duration of the attempt that ended last; null while none has, or if unknown'),
    input: textOrNull,
    params: PARAMS,
    counters: words,
    output: describe(
      v.nullable(v.array(v.tuple([text, text]))),
      'name and JSON text of each field of an output that is one record; null for others',
    ),
  }),
);

export type TableRow = Value<typeof TABLE_PAGE>[number];

const REMOVAL_TOTALS = v.object({ objects: describe(count, 'objects removed'), bytes: describe(count, 'in them') });

/** Leftovers other than finished jobs. */
const LEFTOVERS = v.object({
  submissions: describe(REMOVAL_TOTALS, 'uncommitted submissions'),
  code: describe(REMOVAL_TOTALS, 'code that no job uses'),
  workers: describe(REMOVAL_TOTALS, 'logs, orders and scratch files of old workers'),
  keepers: describe(REMOVAL_TOTALS, 'old records of managers and ticks'),
  notices: describe(REMOVAL_TOTALS, 'old records of notifications'),
  marks: describe(REMOVAL_TOTALS, 'marks of retries that never started'),
  tokens: describe(REMOVAL_TOTALS, 'expired tokens'),
});

export const PRUNE_ANSWER = v.object({
  jobs: describe(
    v.array(
      v.object({
        job: jobId,
        state: describe(jobState, 'of the job; it stays'),
        closedAt: describe(instantOrNull, 'time of the close'),
        proof: describe(v.boolean(), 'a proof of it is stored'),
        ...REMOVAL_TOTALS.entries,
      }),
    ),
    'jobs that were pruned',
  ),
  spared: describe(
    v.array(
      v.object({
        job: jobId,
        why: v.picklist(['open', 'recent', 'undelivered', 'read', 'unreadable']),
        detail: describe(textOrNull, 'its state, the time of the close, the job that reads it, or the error'),
      }),
    ),
    'jobs that stay as they are',
  ),
  leftovers: describe(LEFTOVERS, 'other leftover objects'),
  ...REMOVAL_TOTALS.entries,
  dryRun: describe(v.boolean(), 'true: nothing was removed'),
});

export type PruneAnswer = Value<typeof PRUNE_ANSWER>;
export type PrunedJob = PruneAnswer['jobs'][number];
export type SparedJob = PruneAnswer['spared'][number];
export type LeftoverKind = keyof PruneAnswer['leftovers'];
