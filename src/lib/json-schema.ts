import { toJsonSchema } from '@valibot/to-json-schema';
import type { Field } from './fields.ts';
import { isRecord } from './json.ts';

export type JsonSchema = Record<string, unknown>;

/** The JSON Schema of a file that people write: of its fields as they are written. */
export function jsonSchemaOf(schema: Field, title: string): JsonSchema {
  // Checks and conversions by functions don't appear.
  const made = toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore', target: 'draft-2020-12' });
  return { ...made, title };
}

/** The schemas at a path: `*` is any name of a map, `[]` an item of a list. Several if there are alternatives. */
export function schemasAt(schema: JsonSchema, path: readonly string[]): JsonSchema[] {
  const alternatives = ['anyOf', 'oneOf']
    .flatMap((word) => schemasIn(schema[word]))
    .flatMap((inner) => schemasAt(inner, path));
  const [head, ...rest] = path;
  if (head === undefined) return [schema, ...alternatives];
  const inner = childOf(schema, head);
  return [...alternatives, ...(isRecord(inner) ? schemasAt(inner, rest) : [])];
}

/** Adds a field's description. Throws a RangeError for a path that isn't in the schema. */
export function describeField(schema: JsonSchema, path: readonly string[], words: JsonSchema): void {
  const found = schemasAt(schema, path.slice(0, -1))
    .map((parent) => childOf(parent, path.at(-1) ?? ''))
    .filter(isRecord);
  if (found.length === 0) throw new RangeError(`the schema has no field ${path.join('.')}`);
  for (const target of found) Object.assign(target, words);
}

const schemasIn = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.filter(isRecord) : []);

function childOf({ properties, additionalProperties, items }: JsonSchema, name: string): unknown {
  if (name === '*') return additionalProperties;
  if (name === '[]') return items;
  return isRecord(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
}
