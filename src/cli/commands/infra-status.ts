import { KINDS, PARTS, type Part } from '../../infra/resource.ts';
import type { Standing } from '../../infra/status.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { withStack } from '../infra-stack.ts';
import { LACKS, lackLines, NOTES, ONLY } from '../infra-steps.ts';
import { answerList, type Column } from '../render.ts';

export function infraStatusCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    options: ONLY,
    writes: false,
    output: {
      type: 'object',
      required: ['part', 'kind', 'name', 'state', 'differences', 'notes', 'lacks'],
      properties: {
        part: { enum: PARTS },
        kind: { enum: KINDS },
        name: { type: 'string' },
        state: {
          enum: ['present', 'absent', 'differs', 'lacks', 'foreign', 'leftOver', 'unknown'],
          description:
            "present: as configured; lacks: not the stack's, and incomplete; foreign: someone else owns the name; leftOver: the stack's, but no longer configured; unknown: can't be determined before it is opened",
        },
        differences: {
          type: 'array',
          items: { type: 'string' },
          description: 'the differences from the configuration',
        },
        notes: { ...NOTES, description: `${NOTES.description}; and newer versions that infra up would use` },
        lacks: LACKS,
      },
    },
    help: {
      about:
        'Lists the resources of a stack in its account, one per line, and how they have drifted: changed by hand, missing, or left over from an earlier configuration. Changes nothing.',
      examples: ['batchctl infra status', 'batchctl infra status --only grid --json'],
      exitCodes: [
        [0, 'everything is as configured'],
        3,
        [4, 'a resource configured as existing does not exist'],
        8,
        [11, 'a resource is missing, differs, is left over, or belongs to someone else'],
      ],
      related: ['infra plan', 'infra up', 'infra down', 'doctor'],
    },
    run: (input) => infraStatus({ ctx, ...input }),
  });
}

export interface InfraStatusOptions {
  readonly ctx: Context;
  readonly only: Part | undefined;
}

const FINDING = 11;

const COLUMNS: readonly Column<Standing>[] = [
  { title: 'part', value: ({ part }) => part },
  { title: 'kind', value: ({ kind }) => kind },
  { title: 'name', value: ({ name }) => name },
  { title: 'state', value: ({ state }) => WORDS[state] },
  { title: 'differences', value: ({ differences, notes }) => [...differences, ...notes].join('; ') },
];
const WORDS = {
  ...{ present: 'present', absent: 'absent', differs: 'differs', lacks: 'lacks', foreign: 'foreign' },
  ...{ leftOver: 'left over', unknown: 'unknown' },
} satisfies Record<Standing['state'], string>;

/** Shows the state of the stack. Returns 11 if something needs fixing. */
export function infraStatus({ ctx, only }: InfraStatusOptions): Promise<number> {
  return withStack(ctx, async (stack) => {
    const { isFinding, stackStatus } = await import('../../infra/status.ts');
    const rows = await stackStatus(stack, only ?? null);
    await answerList(ctx, { rows, json: (row) => row, columns: COLUMNS, empty: 'nothing exists' });
    for (const line of lackLines(rows)) ctx.warn(line);
    return rows.some(isFinding) ? FINDING : 0;
  });
}
