import * as v from 'valibot';
import { TASK_SETS } from './changes.ts';
import {
  count,
  describe,
  instant,
  instantOrNull,
  jobState,
  number,
  numberOrNull,
  text,
  textOrNull,
  type Value,
} from './shapes.ts';
import { JOURNAL_GAP } from './status.ts';

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
  tasks: describe(count, 'in all steps'),
  pruned: describe(v.boolean(), 'its outputs, parts and logs were removed'),
  rehearsal: describe(v.boolean(), 'it ran on a sample of its parts'),
  journalHole: describe(
    v.optional(v.nullable(JOURNAL_GAP)),
    'as in status; left out of all but the newest closed jobs',
  ),
});

export type ListedJob = Value<typeof LISTED_JOB>;

/** One decision about a job, as `history` lists it: what is common to all, and the fields of its journal entry. */
export const HISTORY_LINE = v.looseObject({
  number: describe(v.nullable(count), 'counts from 0; null for the acceptance'),
  when: instant,
  who: text,
  what: describe(text, 'accepted, sent, retry, close, ...; missing if the entry is lost'),
  text: describe(text, 'the same as text'),
  id: v.optional(describe(text, 'id of the entry')),
  format: v.optional(describe(count, 'like the fields below, present only if the entry has it')),
  tasks: v.optional(TASK_SETS),
  canaries: v.optional(v.nullable(TASK_SETS)),
  failed: v.optional(TASK_SETS),
  equation: v.optional(text),
  left: v.optional(text),
  right: v.optional(text),
  asked: v.optional(TASK_SETS),
  opened: v.optional(v.array(text)),
  round: v.optional(count),
  remains: v.optional(describe(v.record(text, text), 'for a prune: the checksums of the remaining objects')),
  overrides: v.optional(describe(v.looseObject({}), 'what a retry changed')),
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

/** The fields of every line, besides its entry's. */
export type HistoryLine = Pick<Value<typeof HISTORY_LINE>, 'number' | 'when' | 'who' | 'what' | 'text'>;
