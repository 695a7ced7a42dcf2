import { writeFileSync } from 'node:fs';
import { API_PAGE, apiPage } from '../test/docs/api-page.ts';
import { VERB_CALLS, verbCalls } from '../test/docs/verb-calls.ts';

/**
 * Writes the table of the API's page, and the dashboard's calls of verbs: `npm run api`, after a change of what a verb takes or
 * answers.
 */
writeFileSync(API_PAGE, await apiPage());
writeFileSync(VERB_CALLS, await verbCalls());
