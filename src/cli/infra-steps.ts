import type { Step } from '../infra/plan.ts';
import type { JsonSchema } from './command.ts';
import type { Column } from './render-table.ts';

/** A line of `infra plan` and `infra up`. */
export const STEP_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['part', 'kind', 'name', 'action', 'changes', 'lacks'],
  properties: {
    part: { enum: ['data'] },
    kind: { enum: ['bucket', 'queue', 'domain', 'tables'] },
    name: { type: 'string' },
    action: {
      enum: ['create', 'change', 'open', 'keep'],
      description: 'open: what lacks is made as the ledger is opened',
    },
    changes: { type: 'array', items: { type: 'string' }, description: 'what it changes' },
    lacks: {
      type: 'array',
      description: "what somebody else's resource lacks: batchctl doesn't change it",
      items: {
        type: 'object',
        required: ['what', 'mend'],
        properties: { what: { type: 'string' }, mend: { type: 'string', description: 'a command that mends it' } },
      },
    },
  },
};

export const STEP_COLUMNS: readonly Column<Step>[] = [
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'action', value: ({ action }) => action },
  { title: 'changes', value: ({ changes }) => changes.join('; ') },
];

/** What a person is to mend, a line each. */
export function lackLines(steps: readonly Step[]): readonly string[] {
  return steps.flatMap(({ kind, name, lacks }) =>
    lacks.map(({ what, mend }) => `${kind} ${name}: ${what}; it is yours, so this mends it: ${mend}`),
  );
}
