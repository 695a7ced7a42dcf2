import type { RetriedAnswer } from '../../model/answers/retry.ts';
import type { RaiseEvent } from '../../verbs/raise.ts';
import { retry } from '../../verbs/retry.ts';
import { changesText, setsText } from '../changes-text.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaise } from '../raise-work.ts';
import { answer } from '../render.ts';
import { verbCommand } from '../verb-command.ts';

export function retryCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, retry, {
    help: {
      about:
        'Retries tasks that failed for good: all of them, those given by --task, those of a cause, or those of a step. Changes apply to these tasks and to the tasks that depend on them; published outputs stay unchanged. --dry-run shows everything that would change.',
      examples: [
        'batchctl retry',
        'batchctl retry last --cause k3f --with job.yaml --canary 2',
        'batchctl retry last --canary 2 --timeout 30m --dry-run',
        'batchctl retry last --task price/17 --set region=US',
      ],
      exitCodes: [
        [0, 'retried, or nothing had failed'],
        [3, 'the corrected job file is invalid'],
        [4, 'no such job, task or cause'],
        [7, "refused: cancelled, not failed, a gather opened without it, or the corrected file is another job's"],
      ],
      related: ['failures', 'skip', 'tasks', 'logs', 'resume', 'status'],
    },
    show: () => {
      // Printed after the answer, which people read first.
      const raised: RaiseEvent[] = [];
      return {
        event: (event) => void raised.push(event),
        answer: async (retried) => {
          await show(ctx, retried);
          for (const event of raised) await tellRaise(ctx, event);
        },
      };
    },
  });
}

async function show(ctx: Context, retried: RetriedAnswer): Promise<void> {
  const { job, state, round, leftOut } = retried;
  await answer(ctx, { json: retried, text: () => textOf(ctx, retried) });
  if (Object.keys(leftOut).length > 0) ctx.warn(`too late for ${setsText(leftOut)}: a gather has opened without them`);
  if (round !== null && state === 'paused') ctx.notice(`the job is paused; batchctl resume ${job} sends them`);
}

async function textOf(ctx: Context, { job, round, tasks, canaries, count, changes }: RetriedAnswer): Promise<string> {
  if (count === 0) return `${job}: nothing has failed for good, nothing to retry`;
  const first = canaries === null ? '' : `, first ${setsText(canaries)}`;
  const what = `${formatMany(count, 'task')} (${setsText(tasks)})${first}`;
  const line = round === null ? `${job}: would retry ${what}` : `${job}, round ${round}: retrying ${what}`;
  return changes.length === 0 ? line : `${line}\n\n${await changesText(ctx, changes)}`;
}
