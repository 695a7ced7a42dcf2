import * as v from 'valibot';
import { count, instant, instantOrNull, jobState, text, textOrNull, told, type Value } from './shapes.ts';
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
