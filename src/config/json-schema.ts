import * as z from 'zod';
import { describeField, type JsonSchema, schemasAt } from '../lib/json-schema.ts';
import { configFileSchema } from './schema.ts';
import { type Backend, CONFIG_TABLE } from './table.ts';

const BACKENDS: readonly Backend[] = ['local', 'aws', 'manager'];

/** The JSON Schema of the configuration file, with each field's description and default. */
export function configJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(configFileSchema, { io: 'input' });
  schema.title = 'batchctl configuration';
  describeField(schema, ['$schema'], { description: 'this schema, for editors' });
  describeField(schema, ['profile'], {
    description: 'the profile to use if none is selected',
    default: 'local',
  });
  describeField(schema, ['profiles'], { description: 'profiles for --profile; local always exists' });
  const variants = schemasAt(schema, ['profiles', '*']).filter((variant) => variant.properties !== undefined);
  for (const [index, variant] of variants.entries()) {
    describeField(variant, ['extends'], { description: 'a profile whose fields this one inherits' });
    for (const row of CONFIG_TABLE.filter(({ backends }) => backends.includes(BACKENDS[index] ?? 'local'))) {
      const fallback = row.default === null ? {} : { default: row.default };
      describeField(variant, row.path.replaceAll('[]', '.[]').split('.'), { description: row.doc, ...fallback });
    }
  }
  return schema;
}
