import { isRecord } from './json-value.ts';

export type JsonSchema = Record<string, unknown>;

/** The schemas at a path: `*` is any name of a map, `[]` an item of a list. Several if there are alternatives. */
export function schemasAt(schema: JsonSchema, path: readonly string[]): JsonSchema[] {
  const alternatives = ['anyOf', 'oneOf']
    .flatMap((word) => schemasIn(schema[word]))
    .flatMap((inner) => schemasAt(inner, path));
  const [head, ...rest] = path;
  if (head === undefined) return [schema, ...alternatives];
  const inner =
    head === '*' ? schema.additionalProperties : head === '[]' ? schema.items : memberOf(schema.properties, head);
  return [...alternatives, ...(isRecord(inner) ? schemasAt(inner, rest) : [])];
}

/** Adds a field's description. Throws a RangeError for a path that isn't in the schema. */
export function describeField(schema: JsonSchema, path: readonly string[], words: JsonSchema): void {
  const parents = schemasAt(schema, path.slice(0, -1));
  const last = path.at(-1) ?? '';
  const targets = parents.map((parent) =>
    last === '*' ? parent.additionalProperties : last === '[]' ? parent.items : memberOf(parent.properties, last),
  );
  const found = targets.filter(isRecord);
  if (found.length === 0) throw new RangeError(`the schema has no field ${path.join('.')}`);
  for (const target of found) Object.assign(target, words);
}

const schemasIn = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.filter(isRecord) : []);

const memberOf = (properties: unknown, name: string): unknown =>
  isRecord(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
