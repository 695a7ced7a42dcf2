import { type WatchEvent, wait, watch } from '../../verbs/watch.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { liveView } from '../live-view.ts';
import { answer } from '../render.ts';
import { liveOf, statusText } from '../status-text.ts';
import { failureLine, tellBudget, tellNext, tellRaise } from '../tell.ts';
import { type Showing, verbCommand } from '../verb-command.ts';

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
    show: () => showing(ctx),
  });
}

export function liveShowing(ctx: Context): { event(event: WatchEvent): Promise<void>; close(): void } {
  const live = liveView(ctx);
  return {
    async event(event) {
      if (event.event === 'status') live.show(liveOf(event.status));
      else if (event.event === 'firstFailure') live.above(failureLine(event.failure));
      else await tellRaise(ctx, event);
    },
    close: () => live.close(),
  };
}

function showing(ctx: Context): Showing<Status, WatchEvent> {
  const live = liveShowing(ctx);
  return {
    ...live,
    async answer(status) {
      live.close();
      await answer(ctx, { json: status, text: () => statusText(ctx, status) });
      tellNext(ctx, status);
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
        tellBudget(ctx, status);
        await answer(ctx, { json: status, text: '' });
      },
    }),
  });
}
