import { status } from '../../verbs/status.ts';
import { type CommandDefinition, choice } from '../command.ts';
import type { Context } from '../context.ts';
import { print, printAnswer } from '../render.ts';
import { statusText } from '../status-text.ts';
import { verbCommand } from '../verb-command.ts';

export function statusCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, status, {
    help: {
      about: 'Shows the progress of each step. It costs the same for ten tasks and for ten million.',
      examples: ['batchctl status', 'batchctl status key:month-end-2026-11 --json'],
      exitCodes: { 0: 'in any state of the job', 4: 'no such job' },
      related: ['watch', 'wait', 'tasks', 'jobs'],
    },
    options: {
      '--format <format>': choice('print Prometheus text instead of a table', ['prometheus']),
    },
    show: (_, { format }) => ({
      async answer(found) {
        if (format !== 'prometheus') return printAnswer(ctx, { json: found, text: () => statusText(ctx, found) });
        const { prometheusText } = await import('../prometheus-text.ts');
        return print(ctx, prometheusText(found));
      },
    }),
  });
}
