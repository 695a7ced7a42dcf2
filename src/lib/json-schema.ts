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
  return [...alternatives, ...(isSchema(inner) ? schemasAt(inner, rest) : [])];
}

/** Adds a field's description. Throws a RangeError for a path that isn't in the schema. */
export function describeField(schema: JsonSchema, path: readonly string[], words: JsonSchema): void {
  const parents = schemasAt(schema, path.slice(0, -1));
  const last = path.at(-1) ?? '';
  const targets = parents.map((parent) =>
    last === '*' ? parent.additionalProperties : last === '[]' ? parent.items : memberOf(parent.properties, last),
  );
  const found = targets.filter(isSchema);
  if (found.length === 0) throw new RangeError(`the schema has no field ${path.join('.')}`);
  for (const target of found) Object.assign(target, words);
}

/** Every named field of a schema, as paths for `schemasAt`, without duplicates. */
export function fieldPaths(schema: JsonSchema, above: readonly string[] = []): string[][] {
  const inner = (part: unknown, name: string): string[][] => (isSchema(part) ? fieldPaths(part, [...above, name]) : []);
  const here = Object.entries(isSchema(schema.properties) ? schema.properties : {}).flatMap(([name, part]) => [
    [...above, name],
    ...inner(part, name),
  ]);
  const alternatives = ['anyOf', 'oneOf']
    .flatMap((word) => schemasIn(schema[word]))
    .flatMap((part) => fieldPaths(part, above));
  const all = [...here, ...alternatives, ...inner(schema.additionalProperties, '*'), ...inner(schema.items, '[]')];
  return [...new Map(all.map((path) => [path.join('\0'), path])).values()];
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const schemasIn = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.filter(isSchema) : []);

const memberOf = (properties: unknown, name: string): unknown =>
  isSchema(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
