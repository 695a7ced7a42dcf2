import { type AttemptLog, listLogs } from '../../jobs/logs.ts';
import { parseTaskName } from '../../jobs/task-name.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { JOB_TEXT, jobMeant } from '../job-argument.ts';
import { print } from '../render.ts';

export function logsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT, '[task]': '<step>/<n>; all unless given' },
    options: { '--failed': 'only of tasks that failed for good' },
    writes: false,
    output: {
      type: 'object',
      required: ['step', 'task', 'attempt', 'text'],
      properties: {
        step: { type: 'string' },
        task: { type: 'integer' },
        attempt: { type: 'string' },
        text: { type: 'string', description: 'what the attempt wrote to stderr' },
      },
    },
    help: {
      about: 'What attempts wrote to stderr, each below a line that names it (on stderr).',
      examples: ['batchctl logs last --failed', 'batchctl logs last price/17'],
      exitCodes: [
        [0, 'also when nothing was written'],
        [4, 'no such job or task'],
      ],
      related: ['tasks', 'status', 'retry'],
    },
    run: (input) => logs({ ctx, ...input }),
  });
}

export interface LogsOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: string | undefined;
  readonly failed: boolean;
}

/** Writes attempts' logs to stdout. Throws `notFound`, `usage`. */
export async function logs({ ctx, job, task, failed }: LogsOptions): Promise<void> {
  const platform = await ctx.platform();
  const view = await jobMeant(ctx, job);
  const named = task === undefined ? undefined : parseTaskName(view, task);
  let count = 0;
  for await (const log of listLogs(platform, view, { task: named, failed })) {
    ctx.signal.throwIfAborted();
    count += 1;
    if (ctx.flags.json) await printDocument(ctx, log);
    else await printText(ctx, log);
  }
  if (count === 0 && !ctx.flags.json) ctx.notice('no attempt wrote anything to stderr');
}

async function printText(ctx: Context, log: AttemptLog): Promise<void> {
  ctx.notice(`==> ${log.step}/${log.task} ${log.attempt} <==`);
  let ended = true;
  for await (const chunk of (await log.open()) ?? []) {
    const bytes = chunk as Uint8Array;
    await print(ctx, bytes);
    ended = bytes.at(-1) === 10;
  }
  if (!ended) await print(ctx, '\n');
}

async function printDocument(ctx: Context, { step, task, attempt, open }: AttemptLog): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await open()) ?? []) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString('utf8');
  await print(ctx, `${JSON.stringify({ step, task, attempt, text })}\n`);
}
