import { writeFileSync } from 'node:fs';
import { API_PAGE, apiPage } from '../test/docs/api-page.ts';
import { API_TYPES, apiTypes } from '../test/docs/api-types.ts';

/**
 * Writes the types that callers of the API use, and the page's table, from its document: `npm run api`, after a change of
 * what a verb takes or answers.
 */
writeFileSync(API_TYPES, await apiTypes());
writeFileSync(API_PAGE, await apiPage());
