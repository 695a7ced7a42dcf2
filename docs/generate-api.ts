import { API_PAGE, apiPage } from '../test/docs/api-page.ts';
import { VERB_CALLS, verbCalls } from '../test/docs/verb-calls.ts';
import { writePages } from './write-pages.ts';

/**
 * Writes the table of the API's page, and the dashboard's calls of verbs: `npm run api`, after a change of what a verb takes or
 * answers.
 */
const pages = new Map([
  [API_PAGE, await apiPage()],
  [VERB_CALLS, await verbCalls()],
]);
writePages(pages, 'npm run api');
