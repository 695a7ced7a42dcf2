import * as v from 'valibot';
import { JOB_STATES } from '../job-state.ts';

/** Schemas that answers share. */
export const text = v.string();
export const textOrNull = v.nullable(text);
export const number = v.number();
export const numberOrNull = v.nullable(number);
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** ISO 8601, UTC. */
export const instant = v.pipe(v.string(), v.isoTimestamp());
export const instantOrNull = v.nullable(instant);
/** A task's parameters by name; null if its split gave it none. */
export const words = v.record(v.string(), text);

export const PARAMS = v.nullable(words);

// biome-ignore lint/suspicious/noExplicitAny: any schema can be described.
type Schema = v.BaseSchema<any, any, v.BaseIssue<unknown>>;

/** The same with a description, for the documents made from it. */
export const describe = <const S extends Schema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

export const jobId = describe(text, "the job's id");
export const jobName = describe(text, "the job's name");
export const runKeyOrNull = describe(textOrNull, 'null without one');
export const jobState = describe(v.picklist(JOB_STATES), 'of the job');
export const workerGroup = describe(text, 'the worker group');

/** The type of a schema's values, deeply read-only. */
export type Value<S extends Schema> = DeepReadonly<v.InferOutput<S>>;
type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
