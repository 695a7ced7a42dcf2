import { type WatchEvent, wait, watch } from '../../verbs/watch.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { livePresenter } from '../follow-view.ts';
import { printBudgetPause, printNextCommand } from '../print-notices.ts';
import { printAnswer } from '../render.ts';
import { statusText } from '../status-text.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

type Status = Extract<WatchEvent, { readonly event: 'status' }>['status'];

export function watchCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, watch, {
    help: {
      about:
        'Shows the status live until the job ends or a safeguard pauses it. Then delivers its outputs, if the job says so and that has not been done. Ctrl-C stops watching; the job continues.',
      examples: ['batchctl watch', 'batchctl watch last --json'],
      exitCodes: {
        0: 'the job succeeded',
        4: 'no such job',
        5: 'it failed or was cancelled',
        6: 'the credentials expired; the job continues',
        7: 'it is paused',
        10: true,
        130: true,
      },
      related: ['status', 'wait', 'run'],
    },
    show: () => watchPresenter(ctx),
  });
}

function watchPresenter(ctx: Context): Presenter<Status, WatchEvent> {
  const live = livePresenter(ctx);
  return {
    ...live,
    async answer(status) {
      live.close();
      await printAnswer(ctx, { json: status, text: () => statusText(ctx, status) });
      printNextCommand(ctx, status);
    },
  };
}

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
      exitCodes: {
        0: 'the job succeeded',
        4: 'no such job',
        5: 'it failed or was cancelled',
        6: 'not finished when --timeout passed or the credentials expired, or late with --until-late',
        7: 'it is paused',
        10: true,
        130: true,
      },
      related: ['watch', 'status', 'run', 'adjust'],
    },
    show: () => ({
      answer: async (status) => {
        printBudgetPause(ctx, status);
        await printAnswer(ctx, { json: status, text: '' });
      },
    }),
  });
}
