import { findJobToShow } from '../../jobs/find.ts';
import { statusOf } from '../../jobs/status.ts';
import { type CommandDefinition, choice, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { warnOfDamage } from '../job-argument.ts';
import { answer, print } from '../render.ts';
import { STATUS_OUTPUT } from '../status-schema.ts';
import { statusText } from '../status-text.ts';

export function statusCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: { '--format <format>': choice('prometheus text in place of a table', ['prometheus']) },
    writes: false,
    output: STATUS_OUTPUT,
    help: {
      about: 'How far each step is. It costs the same for ten tasks and for ten million.',
      examples: ['batchctl status', 'batchctl status key:month-end-2026-11 --json'],
      exitCodes: [
        [0, "whatever the job's state"],
        [4, 'no such job'],
      ],
      related: ['watch', 'wait', 'tasks', 'jobs'],
    },
    run: (input) => status({ ctx, ...input }),
  });
}

export interface StatusOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly format: 'prometheus' | undefined;
}

/** Prints a job's status. Throws `notFound`. */
export async function status({ ctx, job, format }: StatusOptions): Promise<void> {
  const platform = await ctx.platform();
  const view = await findJobToShow(platform, job);
  await warnOfDamage(ctx, view);
  const found = await statusOf(platform, view);
  if (format === 'prometheus') {
    const { prometheusText } = await import('../prometheus-text.ts');
    await print(ctx, prometheusText(found));
  } else await answer(ctx, { json: found, text: () => statusText(ctx, found) });
}
