import * as v from 'valibot';
import { count, text, told, type Value } from './shapes.ts';

/** What `fetch` answers. */
export const FETCHED = v.object({
  job: text,
  step: text,
  outputs: told(count, 'outputs now at the target'),
  missing: told(count, 'tasks of the step without an output (so far)'),
  bytes: count,
  output: told(text, 'the target, as given'),
  kept: told(count, 'outputs whose files already existed with the right checksum'),
});

export type FetchedAnswer = Value<typeof FETCHED>;
