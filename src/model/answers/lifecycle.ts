import * as v from 'valibot';
import { CHANGES } from './retry.ts';
import { count, jobState, text, told, type Value } from './shapes.ts';

/** What `pause` and `cancel` answer. */
export const JOB_CHANGED = v.object({ job: text, state: jobState, changed: v.boolean() });

/** What `resume` answers. */
export const RESUMED = v.object({ ...JOB_CHANGED.entries, changes: CHANGES, sent: told(count, 'messages') });

export type JobChangedAnswer = Value<typeof JOB_CHANGED>;
export type ResumedAnswer = Value<typeof RESUMED>;
