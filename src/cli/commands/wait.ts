import { wait } from '../../verbs/wait.ts';
import { tellBudget } from '../after-job.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function waitCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, wait, {
    help: {
      about:
        'Waits silently until the job ends or is paused, and exits like the job. For scripts and cron. A job with `deliver` ends when its outputs are delivered.',
      examples: [
        'batchctl wait',
        'batchctl wait key:month-end-2026-11 --timeout 6h',
        'batchctl wait last --until-late || mail -s "the month end needs a person" ops',
      ],
      exitCodes: [
        [0, 'the job succeeded'],
        [4, 'no such job'],
        [5, 'it failed or was cancelled'],
        [6, 'not finished when --timeout passed or the credentials expired, or late with --until-late'],
        [7, 'it is paused'],
        10,
        130,
      ],
      related: ['watch', 'status', 'run', 'adjust'],
    },
    show: () => ({
      answer: async (status) => {
        tellBudget(ctx, status);
        await answer(ctx, { json: status, text: '' });
      },
    }),
  });
}
