import type { Step } from '../infra/plan.ts';
import { KINDS, PARTS } from '../infra/resource.ts';
import { choice, type JsonSchema } from './command.ts';
import type { Column } from './render.ts';

/** Restricts a command to a part, so that people with different permissions can each do theirs. */
export const ONLY = { '--only <part>': choice('only this part; asks AWS for nothing else', PARTS) } as const;

/** Differences of a resource that batchctl doesn't own. */
export const LACKS: JsonSchema = {
  type: 'array',
  description: "what a resource of someone else lacks; batchctl doesn't change it",
  items: {
    type: 'object',
    required: ['what', 'mend'],
    properties: { what: { type: 'string' }, mend: { type: 'string', description: 'a command that fixes it' } },
  },
};

export const NOTES: JsonSchema = {
  type: 'array',
  items: { type: 'string' },
  description: 'settings that a person changed from the configuration, and that stay so',
};

/** A line of `infra plan` and `infra up`. */
export const STEP_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['part', 'kind', 'name', 'action', 'changes', 'notes', 'lacks'],
  properties: {
    part: { enum: PARTS },
    kind: { enum: KINDS },
    name: { type: 'string' },
    action: {
      enum: ['create', 'change', 'open', 'keep'],
      description: 'open: whatever is missing is created when the ledger is opened',
    },
    changes: { type: 'array', items: { type: 'string' }, description: 'what it changes' },
    notes: NOTES,
    lacks: LACKS,
  },
};

export const STEP_COLUMNS: readonly Column<Step>[] = [
  { title: 'part', value: ({ part }) => part },
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'action', value: ({ action }) => action },
  { title: 'changes', value: ({ changes, notes }) => [...changes, ...notes].join('; ') },
];

/** What people must fix, one line each. */
export function lackLines(
  rows: readonly (Pick<Step, 'name' | 'lacks'> & { readonly kind: string })[],
): readonly string[] {
  return rows.flatMap(({ kind, name, lacks }) =>
    lacks.map(({ what, mend }) => `${kind} ${name}: ${what}; as it is yours, fix it with: ${mend}`),
  );
}
