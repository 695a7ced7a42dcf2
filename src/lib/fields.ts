import * as v from 'valibot';
import { isRecord } from './json.ts';
import { parseDuration, parseSize } from './units.ts';

/** Field types of files that people write. Every message says what is allowed; `problems.ts` adds what was found. */

/** Any schema of a field. */
// biome-ignore lint/suspicious/noExplicitAny: the values of a field may be of any type.
export type Field = v.BaseSchema<any, any, v.BaseIssue<unknown>>;

/** A map with known fields; any other field is a mistake, also one with the name of a property that every object has. */
export function fields<const E extends v.ObjectEntries>(entries: E, allowed: string) {
  const known = Object.keys(entries).join(' ');
  const own: E = Object.assign(Object.create(null), entries);
  const schema = v.strictObject(own, ({ expected, path }) => {
    if (expected === 'never') return known;
    // A required field is missing: its own message says what it may be.
    const missing = path === undefined ? undefined : own[String(path.at(-1)?.key)];
    return missing === undefined ? allowed : allowedBy(missing);
  });
  const run: (typeof schema)['~run'] = (dataset, config) => schema['~run'](mapOnly(dataset), config);
  return { ...schema, '~run': run };
}

/** The same fields, each of which may be absent. */
export const partly = <const E extends v.ObjectEntries>(entries: E) => v.partial(v.object(entries)).entries;

/** Nothing in place of a list, which valibot takes for a map. */
const mapOnly = (dataset: v.UnknownDataset): v.UnknownDataset =>
  Array.isArray(dataset.value) ? { ...dataset, value: null } : dataset;

/** The maps below a schema that have a field of this name, such as `input` and `steps`: each as its path, without indexes. */
export function mapsWithField(schema: object, name: string, path = ''): readonly string[] {
  const below = (child: unknown, at = path): readonly string[] =>
    isRecord(child) ? mapsWithField(child, name, at) : [];
  const { entries, wrapped, options, item, value }: Record<string, unknown> = { ...schema };
  const own = isRecord(entries) ? entries : {};
  return [
    ...(Object.hasOwn(own, name) && path !== '' ? [path] : []),
    ...Object.entries(own).flatMap(([key, child]) => below(child, path === '' ? key : `${path}.${key}`)),
    ...(Array.isArray(options) ? options.flatMap((option) => below(option)) : []),
    ...[wrapped, item, value].flatMap((child) => below(child)),
  ];
}

/** The values that a field may have, as text. */
export function allowedBy(field: object): string {
  if ('wrapped' in field && isRecord(field.wrapped)) return allowedBy(field.wrapped);
  const { message }: { message?: unknown } = field;
  // Maps with known fields have several messages, the one without a path about all of it.
  const allowed: unknown = typeof message === 'function' ? message({}) : message;
  return typeof allowed === 'string' ? allowed : 'a value';
}

/** The field with its purpose in one line, for the JSON Schema and the manual. */
export const about = <const S extends Field>(purpose: string, schema: S) => v.pipe(schema, v.description(purpose));

/** A field that may be absent. */
export const maybe = <const S extends Field>(purpose: string, schema: S) => v.optional(about(purpose, schema));

export const text = (allowed: string, pattern = /\S/) => v.pipe(v.string(allowed), v.regex(pattern, allowed));

export const whole = (allowed: string, min: number, max = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(allowed), v.integer(allowed), v.minValue(min, allowed), v.maxValue(max, allowed));

export const yesOrNo = () => v.boolean('true or false');

export const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  v.picklist(words, words.join(', '));

export const listOf = <const T extends Field>(item: T, allowed: string) => v.array(item, allowed);

/** A list that may not be empty. `least` says what it must hold. */
export const someOf = <const T extends Field>(item: T, allowed: string, least: string) =>
  v.pipe(listOf(item, allowed), v.minLength(1, least));

/** A map whose keys match a pattern. `v.record` alone passes over keys such as `constructor`. */
export function mapOf<const T extends Field>(
  name: v.BaseSchema<string, string, v.BaseIssue<unknown>>,
  value: T,
  allowed: string,
) {
  const schema = v.record(name, value, allowed);
  const run: (typeof schema)['~run'] = (dataset, config) => {
    const map = dataset.value;
    if (!isRecord(map)) return schema['~run'](mapOnly(dataset), config);
    const issues: v.BaseIssue<unknown>[] = [];
    const made = Object.entries(map).map(([key, item]) => {
      const check = (origin: 'key' | 'value', part: Field, found: unknown): unknown => {
        const result = part['~run']({ value: found }, config);
        const at = { type: 'object', origin, input: map, key, value: item } as const;
        for (const issue of result.issues ?? []) issues.push({ ...issue, path: [at, ...(issue.path ?? [])] });
        return result.value;
      };
      check('key', name, key);
      return [key, check('value', value, item)];
    });
    const [first, ...others] = issues;
    const output = Object.fromEntries(made);
    return first === undefined
      ? { typed: true, value: output }
      : { typed: false, value: output, issues: [first, ...others] };
  };
  return { ...schema, '~run': run };
}

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
  return v.pipe(v.union([v.string(), v.number()], allowed), v.check(isPositive, allowed));
}

/** A scalar, kept as text. */
export const plainValue = () => v.union([v.string(), v.number(), v.boolean()], 'text, a number, true or false');

/** A map of plain values, as text. */
export const textsOf = (map: Readonly<Record<string, string | number | boolean>>): Record<string, string> =>
  Object.fromEntries(Object.entries(map).map(([name, value]) => [name, String(value)]));

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
export const notificationSchema = <const E extends readonly [string, ...string[]]>(events: E) =>
  fields(
    {
      on: about(
        events.join(', '),
        someOf(oneOf(...events), 'a list of events', `at least one of ${events.join(', ')}`),
      ),
      to: about(
        'the topic, address or program to notify: sns:TOPIC, https://... or exec:./program',
        text(
          'sns:TOPIC, https://... or exec:./program',
          /^(sns:\S+|exec:[^\0]+|https:\/\/\S+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/\S*)?)$/,
        ),
      ),
      secret: maybe(
        'for https: the secret that signs the body: ssm:, secretsmanager:; on the local profile also env:, file:',
        secretReference(),
      ),
    },
    'a map with on, to, secret',
  );

/** `notify`: at least one receiver with its events. */
export const notifyList = () => listOf(notificationSchema(JOB_EVENTS), 'a list of maps with on, to, secret');
/** `notify` of a profile. */
export const profileNotifyList = () => listOf(notificationSchema(PROFILE_EVENTS), 'a list of maps with on, to, secret');
