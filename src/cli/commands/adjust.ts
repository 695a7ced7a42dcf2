import type { AdjustedAnswer } from '../../model/answers/adjust.ts';
import { adjust } from '../../verbs/adjust.ts';
import { changesText } from '../changes-text.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function adjustCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, adjust, {
    help: {
      about:
        'Changes the limits of an open job. A higher tolerance opens a gather that was waiting for it. --at moves a job submitted with --at; workers that returned its tasks come back to them within 15 minutes.',
      examples: [
        'batchctl adjust last --finish-by "tomorrow 06:00"',
        'batchctl adjust last --tolerate 0.1% --max-running 8',
        'batchctl adjust last --finish-by none',
        'batchctl adjust last --at "tomorrow 06:00"',
      ],
      exitCodes: [
        [0, 'changed, or unchanged because it was already so'],
        [4, 'no such job'],
        [7, 'refused: the job is closed; or --at for a job that may have started'],
      ],
      related: ['status', 'skip', 'retry', 'pause', 'scale'],
    },
    show: () => ({ answer: (adjusted) => answer(ctx, { json: adjusted, text: () => textOf(ctx, adjusted) }) }),
  });
}

async function textOf(ctx: Context, { job, state, changes }: AdjustedAnswer): Promise<string> {
  if (changes.length === 0) return `${job}: nothing to change`;
  const line = ctx.flags.dryRun ? `${job}: would change` : `${job}: changed; the job is ${state}`;
  return `${line}\n\n${await changesText(ctx, changes)}`;
}
