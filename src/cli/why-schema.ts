import { CAUSE_CODES, SEVERITIES } from '../model/why/cause.ts';
import type { JsonSchema } from './command.ts';

/** What `why --json` prints. */
export const WHY_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['job', 'state', 'causes', 'running', 'waiting', 'rate', 'eta'],
  properties: {
    job: { type: ['string', 'null'], description: "null if the store or the ledger can't be read" },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled', null] },
    causes: {
      type: 'array',
      description: 'the most important first; none: nothing is wrong',
      items: {
        type: 'object',
        required: ['code', 'severity', 'title', 'evidence', 'mend'],
        properties: {
          code: { enum: CAUSE_CODES, description: 'stable; codes are only ever added' },
          severity: {
            enum: SEVERITIES,
            description:
              'stops: until someone acts; fails: tasks failed for good; slows; waits: continues on its own; note',
          },
          title: { type: 'string', description: 'a sentence with the facts' },
          evidence: { type: 'array', items: { type: 'string' } },
          mend: {
            type: 'string',
            description: 'steps separated by "; ", each a command, then ", " and its purpose; or a sentence',
          },
        },
      },
    },
    running: { type: ['integer', 'null'], description: 'tasks known to the ledger' },
    waiting: { type: ['integer', 'null'], description: 'tasks known to the ledger' },
    rate: { type: ['number', 'null'], description: 'tasks per second' },
    eta: { type: ['number', 'null'], description: 'seconds' },
  },
};
