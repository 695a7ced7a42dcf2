import * as z from 'zod';
import { describeField, type JsonSchema, schemasAt } from '../lib/json-schema.ts';
import { configFileSchema } from './schema.ts';
import { type Backend, CONFIG_TABLE } from './table.ts';

const BACKENDS: readonly Backend[] = ['local', 'aws', 'manager'];

/** The JSON Schema of the configuration file, with each field's meaning and default. */
export function configJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(configFileSchema, { io: 'input' });
  schema.title = 'batchctl configuration';
  describeField(schema, ['$schema'], { description: 'this schema, for editors' });
  describeField(schema, ['profile'], {
    description: 'the profile that counts when no one names another',
    default: 'local',
  });
  describeField(schema, ['profiles'], { description: 'what --profile may name; local exists anyway' });
  const variants = schemasAt(schema, ['profiles', '*']).filter((variant) => variant.properties !== undefined);
  for (const [index, variant] of variants.entries()) {
    describeField(variant, ['extends'], { description: 'the profile whose fields count where this one gives none' });
    for (const row of CONFIG_TABLE.filter(({ backends }) => backends.includes(BACKENDS[index] ?? 'local'))) {
      const fallback = row.default === null ? {} : { default: row.default };
      describeField(variant, row.path.replaceAll('[]', '.[]').split('.'), { description: row.doc, ...fallback });
    }
  }
  return schema;
}
