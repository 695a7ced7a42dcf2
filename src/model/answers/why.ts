import * as v from 'valibot';
import { CAUSE_CODES, SEVERITIES } from '../why/cause.ts';
import { count, jobState, numberOrNull, text, textOrNull, told, type Value } from './shapes.ts';

/** What `why` answers. */
export const WHY = v.object({
  job: told(textOrNull, "null if the store or the ledger can't be read"),
  state: v.nullable(jobState),
  causes: told(
    v.array(
      v.object({
        code: told(v.picklist(CAUSE_CODES), 'stable; codes are only ever added'),
        severity: told(
          v.picklist(SEVERITIES),
          'stops: until someone acts; fails: tasks failed for good; slows; waits: continues on its own; note',
        ),
        title: told(text, 'a sentence with the facts'),
        evidence: v.array(text),
        mend: told(text, 'steps separated by "; ", each a command, then ", " and its purpose; or a sentence'),
      }),
    ),
    'the most important first; none: nothing is wrong',
  ),
  running: told(v.nullable(count), 'tasks known to the ledger'),
  waiting: told(v.nullable(count), 'tasks known to the ledger'),
  rate: told(numberOrNull, 'tasks per second'),
  eta: told(numberOrNull, 'seconds'),
});

export type Why = Value<typeof WHY>;
