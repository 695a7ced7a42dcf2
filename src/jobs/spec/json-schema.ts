import * as z from 'zod';
import { describeField, type JsonSchema } from '../../lib/json-schema.ts';
import { JOB_FIELD_DOCS } from './field-docs.ts';
import { jobFileSchema } from './schema.ts';

/** The JSON Schema of a job file, with each field's meaning. */
export function jobJsonSchema(): JsonSchema {
  const schema: JsonSchema = z.toJSONSchema(jobFileSchema, { io: 'input' });
  schema.title = 'batchctl job file';
  for (const [path, description] of Object.entries(JOB_FIELD_DOCS))
    describeField(schema, path.split('.'), { description });
  return schema;
}
