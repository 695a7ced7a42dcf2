import * as v from 'valibot';
import { count, instant, instantOrNull, jobState, text, textOrNull, told, type Value } from './shapes.ts';

const size = v.pipe(v.number(), v.integer());

/** One object of `ls`. */
export const LISTED_DATA = v.object({
  key: told(text, 'jobs read it as store:KEY'),
  size,
  modified: instant,
  checksum: told(textOrNull, 'sha256:<hex>; null without --checksums'),
});

/** One object of `rm`. */
export const REMOVED_DATA = v.object({
  key: text,
  size,
  dryRun: told(v.boolean(), 'true: it would be removed'),
});

export type ListedData = Value<typeof LISTED_DATA>;
export type RemovedData = Value<typeof REMOVED_DATA>;

export const FETCHED = v.object({
  job: text,
  step: text,
  outputs: told(count, 'outputs now at the target'),
  missing: told(count, 'tasks of the step without an output (so far)'),
  bytes: count,
  output: told(text, 'the target, as given'),
  kept: told(count, 'outputs whose files already existed with the right checksum'),
  others: told(v.array(text), 'entries of DIR/ that are not outputs of the step, the first ten by name'),
});

export type FetchedAnswer = Value<typeof FETCHED>;

const REMOVED = v.object({ objects: count, bytes: count });

/** Leftovers other than finished jobs. */
const LEFTOVERS = v.object({
  submissions: told(REMOVED, 'uncommitted submissions'),
  code: told(REMOVED, 'code that no job uses'),
  workers: told(REMOVED, 'logs, orders and scratch files of old workers'),
  keepers: told(REMOVED, 'old records of managers and ticks'),
  notices: told(REMOVED, 'old records of notifications'),
  marks: told(REMOVED, 'marks of retries that never started'),
  tokens: told(REMOVED, 'expired tokens'),
});

export const PRUNED = v.object({
  jobs: v.array(
    v.object({
      job: text,
      state: jobState,
      closedAt: instantOrNull,
      proof: told(v.boolean(), 'a proof of it is stored'),
      ...REMOVED.entries,
    }),
  ),
  spared: v.array(
    v.object({
      job: text,
      why: v.picklist(['open', 'recent', 'undelivered', 'read', 'unreadable']),
      detail: told(textOrNull, 'its state, when it closed, which job reads it, or what is wrong'),
    }),
  ),
  leftovers: LEFTOVERS,
  ...REMOVED.entries,
  dryRun: told(v.boolean(), 'true: nothing was removed'),
});

export type PrunedAnswer = Value<typeof PRUNED>;
export type PrunedJob = PrunedAnswer['jobs'][number];
export type SparedJob = PrunedAnswer['spared'][number];
export type LeftoverKind = keyof PrunedAnswer['leftovers'];
