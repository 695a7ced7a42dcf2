import { CAUSE_CODES, SEVERITIES } from '../model/why/cause.ts';
import type { JsonSchema } from './command.ts';

/** What `why --json` prints. */
export const WHY_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['job', 'state', 'causes', 'running', 'waiting', 'rate', 'eta'],
  properties: {
    job: { type: ['string', 'null'], description: 'null when the store or the ledger can not be read' },
    state: { enum: ['submitted', 'running', 'paused', 'succeeded', 'failed', 'cancelled', null] },
    causes: {
      type: 'array',
      description: 'the weightiest first; none: nothing is wrong',
      items: {
        type: 'object',
        required: ['code', 'severity', 'title', 'evidence', 'mend'],
        properties: {
          code: { enum: CAUSE_CODES, description: 'stable; codes are only added' },
          severity: {
            enum: SEVERITIES,
            description:
              'stops: until somebody acts; fails: tasks ended for good; slows; waits: goes on by itself; note',
          },
          title: { type: 'string', description: 'a sentence with the facts' },
          evidence: { type: 'array', items: { type: 'string' } },
          mend: {
            type: 'string',
            description: 'acts apart by "; ", each a command, then ", " and what for; or a sentence',
          },
        },
      },
    },
    running: { type: ['integer', 'null'], description: 'tasks, as far as the ledger knows' },
    waiting: { type: ['integer', 'null'], description: 'tasks, as far as the ledger knows' },
    rate: { type: ['number', 'null'], description: 'tasks a second' },
    eta: { type: ['number', 'null'], description: 'seconds' },
  },
};
