import * as z from 'zod';
import { parseDuration, parseSize } from './units.ts';

/** Field types of files that people write. Every message says what is allowed; `problems.ts` adds what was found. */

/** A map with known fields; any other field is a mistake. */
export function fields<S extends z.core.$ZodLooseShape>(shape: S, allowed: string) {
  const known = Object.keys(shape).join(' ');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : allowed) });
}

export const text = (allowed: string, pattern = /\S/) =>
  z.string({ error: allowed }).regex(pattern, { error: allowed });

export const whole = (allowed: string, min: number, max = Number.MAX_SAFE_INTEGER) =>
  z.int({ error: allowed }).min(min, { error: allowed }).max(max, { error: allowed });

export const yesOrNo = () => z.boolean({ error: 'true or false' });

export const oneOf = <const T extends readonly string[]>(...words: T) => z.enum(words, { error: words.join(', ') });

export const listOf = <T extends z.core.$ZodType>(item: T, allowed: string) => z.array(item, { error: allowed });

/** A map whose keys match a pattern. */
export const mapOf = <T extends z.core.$ZodType>(
  name: z.core.$ZodType<string, string> & z.core.$ZodRecordKey,
  value: T,
  allowed: string,
) => z.record(name, value, { error: allowed });

const DURATION = 'a duration over 0 such as 90s, 10m, 6h or 2d (a bare number is seconds)';
const SIZE = 'a size over 0 such as 64MB or 1GiB (a bare number is bytes)';

/** A positive duration; `parseDuration` converts it to seconds. */
export const duration = (allowed = DURATION) => positive(allowed, parseDuration);

/** A positive size; `parseSize` converts it to bytes. */
export const size = (allowed = SIZE) => positive(allowed, parseSize);

function positive(allowed: string, parse: (value: string | number) => number) {
  const isPositive = (value: string | number): boolean => {
    try {
      const number = parse(value);
      return number > 0 && Number.isSafeInteger(Math.ceil(number));
    } catch {
      return false;
    }
  };
  return z.union([z.string(), z.number()], { error: allowed }).refine(isPositive, { error: allowed });
}

/** A scalar, kept as text. */
export const plainValue = () =>
  z.union([z.string(), z.number(), z.boolean()], { error: 'text, a number, true or false' });

/** A reference to a secret, never the secret itself. */
export const secretReference = () =>
  text('a reference: env:NAME, file:/absolute/path, ssm:NAME or secretsmanager:NAME', SECRET_REFERENCE);

export const SECRET_REFERENCE = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/[^\0]+|ssm:[^\s\0]+|secretsmanager:[^\s\0]+)$/;

/** The name of an environment variable that commands may get. */
export const variableName = () =>
  text(
    'letters, digits and _, not beginning with a digit, and not BATCHCTL_...',
    /^(?!BATCHCTL_)[A-Za-z_][A-Za-z0-9_]*$/,
  );

const JOB_EVENTS = ['succeeded', 'failed', 'late', 'paused', 'budget', 'no-start'] as const;
/** Also events that are of no job. */
const PROFILE_EVENTS = [...JOB_EVENTS, 'stays'] as const;

/** One entry of `notify`: a receiver and its events. */
export const notificationSchema = <E extends string>(events: readonly E[]) =>
  fields(
    {
      on: listOf(oneOf(...events), 'a list of events').min(1, { error: `at least one of ${events.join(', ')}` }),
      to: text(
        'sns:TOPIC, https://... or exec:./program',
        /^(sns:\S+|exec:[^\0]+|https:\/\/\S+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/\S*)?)$/,
      ),
      secret: secretReference().optional(),
    },
    'a map with on, to, secret',
  );

/** `notify`: at least one receiver with its events. */
export const notifyList = () => listOf(notificationSchema(JOB_EVENTS), 'a list of maps with on, to, secret');
/** `notify` of a profile. */
export const profileNotifyList = () => listOf(notificationSchema(PROFILE_EVENTS), 'a list of maps with on, to, secret');
