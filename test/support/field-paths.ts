import { isRecord } from '../../src/lib/json.ts';
import type { JsonSchema } from '../../src/lib/json-schema.ts';

/** Every named field of a schema, as paths for `schemasAt`, without duplicates. */
export function fieldPaths(schema: JsonSchema, above: readonly string[] = []): string[][] {
  const inner = (part: unknown, name: string): string[][] => (isRecord(part) ? fieldPaths(part, [...above, name]) : []);
  const here = Object.entries(isRecord(schema.properties) ? schema.properties : {}).flatMap(([name, part]) => [
    [...above, name],
    ...inner(part, name),
  ]);
  const alternatives = [schema.anyOf, schema.oneOf]
    .flatMap((each) => (Array.isArray(each) ? each.filter(isRecord) : []))
    .flatMap((part) => fieldPaths(part, above));
  const all = [...here, ...alternatives, ...inner(schema.additionalProperties, '*'), ...inner(schema.items, '[]')];
  return [...new Map(all.map((path) => [path.join('\0'), path])).values()];
}
