import * as v from 'valibot';
import { allowedBy, type Field } from '../lib/fields.ts';
import { isRecord } from '../lib/json.ts';
import type { Backend } from './backends.ts';
import type { PlainObject } from './merge.ts';
import { profileSchemas } from './schema.ts';

/** One field of a profile, for people: its path (`*` is any name, `[]` an item), values, default and purpose. */
export interface ConfigField {
  readonly path: string;
  readonly allowed: string;
  /** As written in the file; null: none. Fields of a group, a ledger or the manager apply if that exists. */
  readonly default: unknown;
  readonly purpose: string;
}

/** The fields of a backend's profiles, each once. */
export function fieldsOfProfile(backend: Backend): readonly ConfigField[] {
  const fields = new Map<string, ConfigField>();
  for (const field of fieldsBelow(profileSchemas[backend], '')) {
    const { allowed = field.allowed } = fields.get(field.path) ?? {};
    // Kinds of a ledger that differ only in their values.
    fields.set(field.path, {
      ...field,
      allowed: allowed === field.allowed ? allowed : `${allowed}, or ${field.allowed}`,
    });
  }
  return [...fields.values()];
}

function* fieldsBelow(schema: Field, path: string): Generator<ConfigField> {
  for (const [name, part] of partsOf(schema)) {
    const at = path === '' ? name : name === '[]' ? `${path}[]` : `${path}.${name}`;
    const purpose = purposeOf(part);
    if (purpose !== undefined) {
      yield { path: at, allowed: allowedBy(part), default: v.getDefault(part) ?? null, purpose };
    }
    yield* fieldsBelow(part, at);
  }
}

const purposeOf = (schema: Field): string | undefined =>
  v.getDescription(schema) ?? ('wrapped' in schema && isSchema(schema.wrapped) ? purposeOf(schema.wrapped) : undefined);

/** The parts of a schema: its fields by name, `*` for the values of a map, `[]` for the items of a list. */
function partsOf(schema: object): [name: string, part: Field][] {
  if ('wrapped' in schema && isSchema(schema.wrapped)) return partsOf(schema.wrapped);
  if ('options' in schema && Array.isArray(schema.options)) return schema.options.filter(isSchema).flatMap(partsOf);
  const { entries = {}, value, item }: { entries?: unknown; value?: unknown; item?: unknown } = schema;
  const named = [...Object.entries(isRecord(entries) ? entries : {}), ['*', value] as const, ['[]', item] as const];
  return named.flatMap(([name, part]): [string, Field][] => (isSchema(part) ? [[name, part]] : []));
}

const isSchema = (value: unknown): value is Field => isRecord(value) && value.kind === 'schema';

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
