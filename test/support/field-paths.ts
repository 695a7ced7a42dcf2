import { isRecord } from '../../src/lib/json.ts';
import type { JsonSchema } from '../../src/lib/json-schema.ts';

/** The path of each named field of a schema, as `schemasAt` takes it, without duplicates. */
export function fieldPaths(schema: JsonSchema, parent: readonly string[] = []): string[][] {
  const inner = (part: unknown, name: string): string[][] =>
    isRecord(part) ? fieldPaths(part, [...parent, name]) : [];
  const here = Object.entries(isRecord(schema.properties) ? schema.properties : {}).flatMap(([name, part]) => [
    [...parent, name],
    ...inner(part, name),
  ]);
  const alternatives = [schema.anyOf, schema.oneOf]
    .flatMap((each) => (Array.isArray(each) ? each.filter(isRecord) : []))
    .flatMap((part) => fieldPaths(part, parent));
  const all = [...here, ...alternatives, ...inner(schema.additionalProperties, '*'), ...inner(schema.items, '[]')];
  return [...new Map(all.map((path) => [path.join('\0'), path])).values()];
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

const schemasIn = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.filter(isRecord) : []);

function childOf({ properties, additionalProperties, items }: JsonSchema, name: string): unknown {
  if (name === '*') return additionalProperties;
  if (name === '[]') return items;
  return isRecord(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
}
