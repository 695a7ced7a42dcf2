import type { SkippedAnswer } from '../../model/answers/skip.ts';
import type { RaiseEvent } from '../../verbs/raise.ts';
import { skip } from '../../verbs/skip.ts';
import { setsText } from '../changes-text.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaise } from '../raise-work.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function skipCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, skip, {
    help: {
      about:
        'Skips tasks that failed for good or are not decided yet. The gather opens without them, the job can succeed, and the proof records the tasks, who skipped them and why. A closed job reopens until everything is decided.',
      examples: [
        'batchctl skip last --task price/17 --reason "claim withdrawn, ticket 4711"',
        'batchctl skip last --cause k3f --reason "empty files, agreed with the sender"',
        'batchctl skip last --step price --reason "no data for these days" --dry-run',
        'batchctl skip last --task price/17 --undo',
      ],
      exitCodes: [
        [0, 'skipped, now or before'],
        [4, 'no such job, task or cause'],
        [7, 'refused: the task is published, not part of the job or of a cancelled job; or it is too late to undo'],
      ],
      related: ['failures', 'retry', 'adjust', 'verify', 'status'],
    },
    show: () => {
      // Printed after the answer, which people read first.
      const raised: RaiseEvent[] = [];
      return {
        event: (event) => void raised.push(event),
        answer: async (skipped) => {
          const { job, state, changed } = skipped;
          await answer(ctx, { json: skipped, text: textOf(skipped, ctx.flags.dryRun) });
          if (changed && state === 'failed') ctx.notice(`more tasks have failed for good: batchctl failures ${job}`);
          if (changed && state === 'paused') ctx.notice(`the job is paused: batchctl resume ${job}`);
          for (const event of raised) await tellRaise(ctx, event);
        },
      };
    },
  });
}

function textOf({ job, state, changed, undo, tasks, count, already }: SkippedAnswer, dryRun: boolean): string {
  if (count === 0) {
    return `${job}: ${formatMany(already, 'task')} ${undo ? 'not skipped' : 'already skipped'}, nothing changed`;
  }
  const named = `${formatMany(count, 'task')} (${setsText(tasks)})`;
  if (dryRun) return undo ? `${job}: would unskip ${named}` : `${job}: would skip ${named}`;
  const now = changed ? `; the job is ${state}` : '';
  return undo ? `${job}: unskipped ${named}${now}` : `${job}: skipped ${named}${now}`;
}
