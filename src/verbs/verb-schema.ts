import { type ConversionConfig, type JsonSchema as Converted, toJsonSchema } from '@valibot/to-json-schema';
import type { JsonSchema } from '../lib/json.ts';
import { type AnyVerb, fieldText } from './verb.ts';

/** The JSON Schema of a verb's answer, or of one row of a list. */
export async function answerSchema(verb: AnyVerb): Promise<JsonSchema> {
  return schemaOf(await verb.answer(), 'output');
}

export function inputSchema({ input }: AnyVerb): JsonSchema & {
  readonly properties: Readonly<Record<string, JsonSchema>>;
} {
  const { properties, ...schema } = schemaOf(input, 'input');
  const described = Object.entries(properties as Readonly<Record<string, JsonSchema>>).map(([name, property]) => {
    const { spec: _, file: __, ...plain } = property;
    // A parsing step hides the description of its input.
    const { text } = fieldText(input.entries[name]);
    return [name, text === '' ? plain : { ...plain, description: text }];
  });
  return { ...schema, properties: Object.fromEntries(described) };
}

export async function statusSchema(): Promise<JsonSchema> {
  return schemaOf((await import('../model/answers/status.ts')).JOB_STATUS, 'output');
}

export async function forecastSchema(): Promise<JsonSchema> {
  const made = schemaOf((await import('../model/answers/plan.ts')).FORECAST, 'output');
  return { ...made, type: ['object', 'null'] };
}

function schemaOf(
  schema: Parameters<typeof toJsonSchema>[0],
  typeMode: NonNullable<ConversionConfig['typeMode']>,
): JsonSchema {
  const made = toJsonSchema(schema, {
    typeMode,
    // Parsing and spelling of a text don't appear in the schema.
    errorMode: 'ignore',
    overrideSchema: ({ jsonSchema }) => oneType(jsonSchema),
  });
  const { $schema: _, ...rest } = made;
  return rest as JsonSchema;
}

/** `{"type": ["integer", "null"]}` instead of an `anyOf` of the two. */
function oneType(schema: Converted): Converted {
  const { anyOf, ...rest } = schema;
  if (anyOf === undefined) return schema;
  const parts = anyOf.map((part) => (typeof part === 'object' ? part : {}));
  const [first = {}, ...others] = parts;
  const simple = others.every((part) => Object.keys(part).length === 1 && typeof part.type === 'string');
  if (!simple || typeof first.type !== 'string' || 'enum' in first) return schema;
  return { ...first, ...rest, type: [first.type, ...others.map(({ type }) => type as 'null')] } as Converted;
}
