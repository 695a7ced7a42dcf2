import * as v from 'valibot';
import { type DescribedField, describedFields, isSchema, partsOf } from '../lib/described-fields.ts';
import type { Field } from '../lib/fields.ts';
import { isRecord } from '../lib/json.ts';
import type { Backend } from './backends.ts';
import type { PlainObject } from './merge.ts';
import { profileSchemas } from './schema.ts';

/** The fields of a backend's profiles, each once. */
export const fieldsOfProfile = (backend: Backend): readonly DescribedField[] =>
  describedFields(profileSchemas[backend]);

/** A valid profile as written, completed with the defaults. */
export const withDefaults = (backend: Backend, value: PlainObject): PlainObject => {
  const made = completed(profileSchemas[backend], value);
  return isRecord(made) ? made : value;
};

function completed(schema: Field, written: unknown): unknown {
  const value = written ?? v.getDefault(schema);
  if (!isRecord(value)) return value;
  const parts = new Map(partsOf(optionFor(schema, value)));
  const names = new Set([...Object.keys(value), ...[...parts.keys()].filter((name) => name !== '*')]);
  const made = [...names].flatMap((name) => {
    const part = parts.get(name) ?? parts.get('*');
    const item = part === undefined ? value[name] : completed(part, value[name]);
    return item === undefined || item === null ? [] : [[name, item]];
  });
  return Object.fromEntries(made);
}

/** The alternative of a schema that allows the value; a schema without alternatives itself. */
function optionFor(schema: Field, value: unknown): Field {
  if ('wrapped' in schema && isSchema(schema.wrapped)) return optionFor(schema.wrapped, value);
  if (!('options' in schema) || !Array.isArray(schema.options)) return schema;
  return schema.options.filter(isSchema).find((option) => v.is(option, value)) ?? schema;
}
