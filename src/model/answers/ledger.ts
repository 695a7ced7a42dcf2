import * as v from 'valibot';
import { count, text, told, type Value } from './shapes.ts';

const WRONG = v.array(v.object({ job: text, why: text }));

/** What `ledger rebuild` answers. */
export const REBUILT = v.object({
  jobs: told(count, 'jobs written to the ledger'),
  attempts: told(count, 'attempts written to the ledger, known before or not'),
  exact: told(count, 'jobs whose counts are known to match the store'),
  unreadable: WRONG,
  damaged: told(WRONG, "failures that can't be read in full; the readable part was written"),
  dryRun: told(v.boolean(), 'true: nothing was written'),
});

export type RebuiltAnswer = Value<typeof REBUILT>;
