import * as v from 'valibot';
import { TASK_SETS } from './changes.ts';
import {
  count,
  instant,
  instantOrNull,
  jobState,
  number,
  numberOrNull,
  text,
  textOrNull,
  told,
  type Value,
} from './shapes.ts';
import { JOURNAL_HOLE } from './status.ts';

/** One job of `jobs`. */
export const LISTED_JOB = v.object({
  job: text,
  name: text,
  runKey: textOrNull,
  state: jobState,
  reason: textOrNull,
  round: count,
  createdAt: instant,
  closedAt: instantOrNull,
  createdBy: text,
  labels: v.record(text, text),
  tasks: told(count, 'in all steps'),
  pruned: told(v.boolean(), 'its outputs, parts and logs were removed'),
  rehearsal: told(v.boolean(), 'it ran on a sample of its parts'),
  journalHole: told(v.optional(v.nullable(JOURNAL_HOLE)), 'as in status; left out of all but the newest closed jobs'),
});

export type ListedJob = Value<typeof LISTED_JOB>;

/** One decision about a job, as `history` lists it: what is common to all, and the fields of its journal entry. */
export const HISTORY_LINE = v.looseObject({
  number: told(v.nullable(count), 'counts from 0; null for the acceptance'),
  when: instant,
  who: text,
  what: told(text, 'accepted, sent, retry, close, ...; missing if the entry is lost'),
  text: told(text, 'the same as text'),
  id: v.optional(told(text, 'id of the entry')),
  format: v.optional(told(count, 'like the fields below, present only if the entry has it')),
  tasks: v.optional(TASK_SETS),
  canaries: v.optional(v.nullable(TASK_SETS)),
  failed: v.optional(TASK_SETS),
  asked: v.optional(TASK_SETS),
  opened: v.optional(v.array(text)),
  round: v.optional(count),
  remains: v.optional(told(v.record(text, text), 'for a prune: the checksums of the remaining objects')),
  overrides: v.optional(told(v.looseObject({}), 'what a retry changed')),
  reason: v.optional(textOrNull),
  state: v.optional(text),
  mode: v.optional(text),
  now: v.optional(v.boolean()),
  cause: v.optional(text),
  after: v.optional(number),
  unstop: v.optional(v.boolean()),
  to: v.optional(text),
  outputs: v.optional(count),
  bytes: v.optional(count),
  kind: v.optional(text),
  message: v.optional(text),
  hint: v.optional(textOrNull),
  tolerate: v.optional(text),
  maxRunning: v.optional(v.nullable(count)),
  notBefore: v.optional(instant),
  finishBy: v.optional(textOrNull),
  maxCost: v.optional(numberOrNull),
});

/** What every line has; the rest is its entry's. */
export type HistoryLine = Pick<Value<typeof HISTORY_LINE>, 'number' | 'when' | 'who' | 'what' | 'text'>;
