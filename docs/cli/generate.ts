import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { configJsonSchema } from '../../src/config/schema.ts';
import { jobJsonSchema } from '../../src/jobs/spec/schema.ts';
import { cliPages } from '../../test/docs/cli-pages.ts';
import { CONFIGURATION_PAGE, configurationPage } from '../../test/docs/configuration-page.ts';
import { JOB_FILE_PAGE, jobFilePage } from '../../test/docs/job-file-page.ts';
import { JSON_PAGE, jsonPage } from '../../test/docs/json-page.ts';
import { LAYOUT_PAGE, layoutPage } from '../../test/docs/layout-page.ts';
import { VERB_INDEX, verbIndex } from '../../test/docs/verb-index.ts';
import { writePages } from '../write-pages.ts';

/**
 * Writes the pages beside this file, the tables of other pages, the JSON Schemas and the list of verbs: `npm run docs`, after a
 * change of a command, an answer or a field.
 */
const HERE = import.meta.dirname;
const pages = new Map<string, string | null>(
  readdirSync(HERE)
    .filter((name) => name.endsWith('.md'))
    .map((name) => [join(HERE, name), null]),
);
for (const [name, text] of await cliPages()) pages.set(join(HERE, name), text);
pages.set(LAYOUT_PAGE, layoutPage()).set(CONFIGURATION_PAGE, configurationPage()).set(JOB_FILE_PAGE, jobFilePage());
pages.set(JSON_PAGE, await jsonPage()).set(VERB_INDEX, await verbIndex());
const schemas = { 'job.schema.json': jobJsonSchema(), 'config.schema.json': configJsonSchema() };
for (const [name, schema] of Object.entries(schemas)) {
  pages.set(join(HERE, '../../schema', name), `${JSON.stringify(schema, null, 2)}\n`);
}
writePages(pages, 'npm run docs');
