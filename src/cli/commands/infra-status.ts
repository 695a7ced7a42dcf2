import { KINDS, PARTS, type Part } from '../../infra/resource.ts';
import type { Standing } from '../../infra/status.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { withStack } from '../infra-stack.ts';
import { LACKS, lackLines, NOTES, ONLY } from '../infra-steps.ts';
import { answerList } from '../render.ts';
import type { Column } from '../render-table.ts';

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
            "present: as it should be; lacks: somebody else's, and lacks something; foreign: the name is taken by what somebody else made; leftOver: the stack's, and the configuration names it no more; unknown: nothing tells before it is opened",
        },
        differences: { type: 'array', items: { type: 'string' }, description: 'what is not as it should be' },
        notes: { ...NOTES, description: `${NOTES.description}; and what is newer, which infra up would take` },
        lacks: LACKS,
      },
    },
    help: {
      about:
        'What a stack has in its account, a line each, and what drifted: changed by hand, missing, or left over from a configuration that was another one. Changes nothing.',
      examples: ['batchctl infra status', 'batchctl infra status --only grid --json'],
      exitCodes: [
        [0, 'all is as the configuration describes it'],
        3,
        [4, 'what is said to be existing is not'],
        8,
        [11, "something is missing, differs, is left over, or is somebody else's"],
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

/** Shows how the stack stands; answers 11 where something is to be mended. */
export function infraStatus({ ctx, only }: InfraStatusOptions): Promise<number> {
  return withStack(ctx, async (stack) => {
    const { isFinding, stackStatus } = await import('../../infra/status.ts');
    const rows = await stackStatus(stack, only ?? null);
    await answerList(ctx, { rows, json: (row) => row, columns: COLUMNS, empty: 'there is nothing' });
    for (const line of lackLines(rows)) ctx.warn(line);
    return rows.some(isFinding) ? FINDING : 0;
  });
}
