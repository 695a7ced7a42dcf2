import type { HistoryLine } from '../../model/answers/history.ts';
import { history } from '../../verbs/history.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant, withInstants } from '../format.ts';
import { columns } from '../help.ts';
import { answerList, print } from '../render.ts';
import { oneLine } from '../terminal-text.ts';
import { verbCommand } from '../verb-command.ts';

export function historyCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, history, {
    help: {
      about:
        'Shows who decided what about a job, and when: its acceptance and its journal, oldest first. `prune` keeps it.',
      examples: ['batchctl history last', 'batchctl history key:month-end-2026-11 --json'],
      exitCodes: [0, [4, 'no such job']],
      related: ['status', 'failures', 'verify', 'report'],
    },
    show: () => ({ answer: (lines) => show(ctx, lines) }),
  });
}

async function show(ctx: Context, lines: AsyncIterable<HistoryLine>): Promise<void> {
  const zone = await ctx.zone();
  if (ctx.io.stdout.isTTY === true && !ctx.flags.json) {
    const rows: HistoryLine[] = [];
    for await (const line of lines) rows.push(line);
    return print(ctx, wrapped(ctx, rows, zone));
  }
  await answerList<HistoryLine>(ctx, {
    rows: lines,
    json: (line) => line,
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
