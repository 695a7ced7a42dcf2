import { writeFileSync } from 'node:fs';
import { API_TYPES, apiTypes } from '../test/docs/api-types.ts';

/** Writes the types that callers of the API use, from its document: `npm run api`, after a change of what a verb takes or answers. */
writeFileSync(API_TYPES, await apiTypes());
