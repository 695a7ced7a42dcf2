import type { ResumedAnswer } from '../../model/answers/lifecycle.ts';
import { cancel, pause, resume } from '../../verbs/lifecycle.ts';
import type { RaiseEvent } from '../../verbs/raise.ts';
import { changesText } from '../changes-text.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaise } from '../raise-work.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function pauseCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, pause, {
    help: {
      about:
        'No task of the job is taken until it is resumed. Workers react within a third of a lease. A returned attempt does not count as a failure.',
      examples: ['batchctl pause last', 'batchctl pause key:month-end-2026-11 --now'],
      exitCodes: [
        [0, 'paused, now or before'],
        [4, 'no such job'],
        [7, 'refused: the job is closed'],
      ],
      related: ['resume', 'cancel', 'status'],
    },
    show: () => ({
      answer: async (paused) => {
        const { job, changed } = paused;
        const { dryRun } = ctx.flags;
        const did = dryRun ? `would pause ${job}` : `${job} is paused`;
        await answer(ctx, { json: paused, text: changed ? did : `${job} was already paused` });
        if (!dryRun) ctx.notice(`resume it with batchctl resume ${job}`);
      },
    }),
  });
}

export function resumeCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, resume, {
    help: {
      about:
        'Resumes a paused job, or completes an interrupted submission. Sends every undecided task at once; with --with they run as the corrected job file says.',
      examples: ['batchctl resume last', 'batchctl resume last --with job.yaml'],
      exitCodes: [
        [0, 'resumed'],
        [3, 'the corrected job file is invalid'],
        [4, 'no such job'],
        [7, "refused: the job is closed, the corrected file is another job's, or the cost limit is reached"],
      ],
      related: ['pause', 'retry', 'worker', 'status'],
    },
    show: () => {
      // Printed after the answer, which people read first.
      const raised: RaiseEvent[] = [];
      return {
        event: (event) => void raised.push(event),
        answer: async (resumed) => {
          await answer(ctx, { json: resumed, text: () => resumedText(ctx, resumed) });
          for (const event of raised) await tellRaise(ctx, event);
        },
      };
    },
  });
}

async function resumedText(ctx: Context, { job, state, changed, changes, sent }: ResumedAnswer): Promise<string> {
  const did = `${changed ? `${job} is ${state}` : `${job} was not paused`}: ${formatMany(sent, 'task')} sent`;
  const line = ctx.flags.dryRun ? `would resume ${job}` : did;
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}

export function cancelCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, cancel, {
    help: {
      about: 'Ends a job permanently: stops running attempts and drops waiting tasks. Keeps its published outputs.',
      examples: ['batchctl cancel last --yes', 'batchctl cancel key:month-end-2026-11 --yes'],
      exitCodes: [
        [0, 'cancelled, now or before'],
        [4, 'no such job'],
        [7, 'refused: it ended in another way, or was not confirmed'],
      ],
      related: ['pause', 'status', 'fetch'],
    },
    asks: true,
    show: () => ({
      answer: (cancelled) => {
        const { job, changed } = cancelled;
        const did = ctx.flags.dryRun ? `would cancel ${job}` : `${job} is cancelled`;
        return answer(ctx, { json: cancelled, text: changed ? did : `${job} was already cancelled` });
      },
    }),
  });
}
