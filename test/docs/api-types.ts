import { join } from 'node:path';
import openapiTS, { astToString } from 'openapi-typescript';
import { openApiDocument } from '../../src/manager/http/openapi/document.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

/** The file that holds the types of the API, made from its document. */
export const API_TYPES = join(import.meta.dirname, '../../src/dashboard/api.ts');

/** What that file should hold. */
export async function apiTypes(): Promise<string> {
  const document = openApiDocument(await describedVerbs());
  // It writes into what it is given.
  const made = await openapiTS(structuredClone(document) as never, { alphabetize: false });
  // What the document has none of.
  const types = astToString(made).replace(/^export type (webhooks|\$defs) = .*\n/gm, '');
  return `// Made by \`npm run api\` of the API's document: change that, not this.\n${types}`;
}
