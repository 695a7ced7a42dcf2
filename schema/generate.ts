import { writeFile } from 'node:fs/promises';
import { configJsonSchema } from '../src/config/schema.ts';
import { jobJsonSchema } from '../src/jobs/spec/schema.ts';

/** Writes the JSON Schemas beside this file: `node --import tsx schema/generate.ts` after a change of what files may hold. */
const schemas = { 'job.schema.json': jobJsonSchema(), 'config.schema.json': configJsonSchema() };
for (const [name, schema] of Object.entries(schemas)) {
  await writeFile(new URL(name, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
