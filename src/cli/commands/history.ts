import { type HistoryLine, historyOf } from '../../jobs/history.ts';
import { JOB_TEXT, jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant, withInstants } from '../format.ts';
import { columns } from '../help.ts';
import { answerList, print } from '../render.ts';
import { oneLine } from '../terminal-text.ts';

const sets = { type: 'object', additionalProperties: { type: 'string' }, description: 'by step: 0-4,17' };

export function historyCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': `${JOB_TEXT}; the latest unless given` },
    writes: false,
    output: {
      type: 'object',
      required: ['number', 'when', 'who', 'what', 'text'],
      properties: {
        number: { type: ['integer', 'null'], description: 'counts from 0; null for the acceptance' },
        when: { type: 'string', format: 'date-time' },
        who: { type: 'string' },
        what: { type: 'string', description: 'accepted, sent, retry, close, ...; missing if the entry is lost' },
        text: { type: 'string', description: 'the same as text' },
        id: { type: 'string', description: 'id of the entry' },
        format: { type: 'integer', description: 'like the fields below, present only if the entry has it' },
        tasks: sets,
        canaries: { ...sets, type: ['object', 'null'] },
        failed: sets,
        asked: sets,
        opened: { type: 'array', items: { type: 'string' } },
        round: { type: 'integer' },
        remains: { type: 'object', description: 'for a prune: the checksums of the remaining objects' },
        overrides: { type: 'object', description: 'what a retry changed' },
        reason: { type: ['string', 'null'] },
        state: { type: 'string' },
        mode: { type: 'string' },
        now: { type: 'boolean' },
        cause: { type: 'string' },
        after: { type: 'number' },
        unstop: { type: 'boolean' },
        to: { type: 'string' },
        outputs: { type: 'integer' },
        bytes: { type: 'integer' },
        kind: { type: 'string' },
        message: { type: 'string' },
        hint: { type: ['string', 'null'] },
        tolerate: { type: 'string' },
        maxRunning: { type: ['integer', 'null'] },
        notBefore: { type: 'string', format: 'date-time' },
        finishBy: { type: ['string', 'null'] },
        maxCost: { type: ['number', 'null'] },
      },
    },
    help: {
      about:
        'Shows who decided what about a job, and when: its acceptance and its journal, oldest first. `prune` keeps it.',
      examples: ['batchctl history last', 'batchctl history key:month-end-2026-11 --json'],
      exitCodes: [0, [4, 'no such job']],
      related: ['status', 'failures', 'verify', 'report'],
    },
    run: (input) => history({ ctx, ...input }),
  });
}

export interface HistoryOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
}

/** Lists the decisions about a job. Throws `notFound`, `usage`. */
export async function history({ ctx, job }: HistoryOptions): Promise<void> {
  const view = await jobShown(ctx, job);
  const zone = await ctx.zone();
  const rows = await historyOf((await ctx.platform()).store, view);
  if (ctx.io.stdout.isTTY === true && !ctx.flags.json) return print(ctx, wrapped(ctx, rows, zone));
  await answerList<HistoryLine>(ctx, {
    rows,
    json: ({ number, when, who, what, text, entry }) => ({ number, when, who, what, text, ...entry }),
    columns: [
      { title: 'when', value: ({ when }) => formatInstant(Date.parse(when), zone), min: 20 },
      { title: 'who', value: ({ who }) => who },
      { title: 'what', value: ({ text }) => withInstants(text, zone), min: 30 },
    ],
    empty: 'nothing',
  });
}

/** On a terminal the text is shown in full, on as many lines as it needs. */
function wrapped(ctx: Context, rows: readonly HistoryLine[], zone: string): string {
  const most = Math.max(...rows.map(({ who }) => who.length));
  const terms = rows.map(({ when, who, text }): readonly [string, string] => [
    `${formatInstant(Date.parse(when), zone)}  ${who.padEnd(most)}`,
    oneLine(withInstants(text, zone)),
  ]);
  return `${columns(terms, ctx.io.stdout.columns ?? 80)}\n`;
}
