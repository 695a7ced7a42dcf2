import * as v from 'valibot';
import { count, text, told, type Value } from './shapes.ts';

/** The log of one attempt, as `logs` lists it; while it is followed, a piece of it. */
export const ATTEMPT_LOG = v.object({
  step: text,
  task: count,
  attempt: text,
  text: told(text, 'what the attempt wrote to stderr'),
});

export type AttemptLog = Value<typeof ATTEMPT_LOG>;
