import { toJsonSchema } from '@valibot/to-json-schema';
import type { Field } from './fields.ts';

export type JsonSchema = Record<string, unknown>;

/** The JSON Schema of a file that people write: of its fields as they are written. */
export function jsonSchemaOf(schema: Field, title: string): JsonSchema {
  // Checks and conversions by functions don't appear.
  const made = toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore', target: 'draft-2020-12' });
  return { ...made, title };
}
