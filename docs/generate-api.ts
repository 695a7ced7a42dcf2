import { writeFileSync } from 'node:fs';
import { API_PAGE, apiPage } from '../test/docs/api-page.ts';

/** Writes the table of the API's page from its document: `npm run api`, after a change of what a verb takes or answers. */
writeFileSync(API_PAGE, await apiPage());
