import * as v from 'valibot';
import { JOB_CHANGED } from './lifecycle.ts';
import { CHANGES } from './retry.ts';
import type { Value } from './shapes.ts';

/** What `adjust` answers. */
export const ADJUSTED = v.object({ ...JOB_CHANGED.entries, changes: CHANGES });

export type AdjustedAnswer = Value<typeof ADJUSTED>;
