import * as v from 'valibot';
import { allowedBy, type Field } from './fields.ts';
import { isRecord } from './json.ts';

/** One field of a file that people write, for a manual: its path (`*` is any name, `[]` an item), values, default and purpose. */
export interface DescribedField {
  readonly path: string;
  readonly allowed: string;
  /** As written in the file; null: none. Fields of a map that is not required apply if that exists. */
  readonly default: unknown;
  readonly required: boolean;
  readonly purpose: string;
}

/** The described fields of a schema, each once. Alternatives that differ only in a field's values list all of these. */
export function describedFields(schema: Field): readonly DescribedField[] {
  const fields = new Map<string, DescribedField>();
  for (const field of fieldsBelow(schema, '')) {
    const { allowed = field.allowed } = fields.get(field.path) ?? {};
    fields.set(field.path, {
      ...field,
      allowed: allowed === field.allowed ? allowed : `${allowed}, or ${field.allowed}`,
    });
  }
  return [...fields.values()];
}

function* fieldsBelow(schema: Field, path: string): Generator<DescribedField> {
  for (const [name, part] of partsOf(schema)) {
    const at = path === '' ? name : name === '[]' ? `${path}[]` : `${path}.${name}`;
    const purpose = purposeOf(part);
    if (purpose !== undefined) {
      const fallback: unknown = v.getDefault(part) ?? null;
      yield { path: at, allowed: allowedBy(part), default: fallback, required: part.type !== 'optional', purpose };
    }
    yield* fieldsBelow(part, at);
  }
}

const purposeOf = (schema: Field): string | undefined =>
  v.getDescription(schema) ?? ('wrapped' in schema && isSchema(schema.wrapped) ? purposeOf(schema.wrapped) : undefined);

/** The parts of a schema: its fields by name, `*` for the values of a map, `[]` for the items of a list. */
export function partsOf(schema: object): [name: string, part: Field][] {
  if ('wrapped' in schema && isSchema(schema.wrapped)) return partsOf(schema.wrapped);
  if ('options' in schema && Array.isArray(schema.options)) return schema.options.filter(isSchema).flatMap(partsOf);
  const { entries = {}, value, item }: { entries?: unknown; value?: unknown; item?: unknown } = schema;
  const named = [...Object.entries(isRecord(entries) ? entries : {}), ['*', value] as const, ['[]', item] as const];
  return named.flatMap(([name, part]): [string, Field][] => (isSchema(part) ? [[name, part]] : []));
}

export const isSchema = (value: unknown): value is Field => isRecord(value) && value.kind === 'schema';
