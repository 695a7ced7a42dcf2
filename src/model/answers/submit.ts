import * as v from 'valibot';
import { text, textOrNull, told, type Value } from './shapes.ts';

export const EMPTY_INPUTS = told(v.array(text), 'names of inputs without any parts: empty, or with a header only');

/** What `submit` answers. */
export const SUBMITTED = v.object({ job: text, runKey: textOrNull, created: v.boolean(), emptyInputs: EMPTY_INPUTS });

export type SubmittedAnswer = Value<typeof SUBMITTED>;
