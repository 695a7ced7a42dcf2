import type { AttemptLog } from '../../model/answers/logs.ts';
import { taskOfLatest } from '../../verbs/job.ts';
import { logBytes, logs } from '../../verbs/logs.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';
import { VisibleBytes } from '../terminal-text.ts';
import { verbCommand } from '../verb-command.ts';

export function logsCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, logs, {
    help: {
      about:
        'Prints what attempts wrote to stderr, each after a line (on stderr) that names the attempt. For a running attempt it shows the tail that its worker uploaded last: every third of a lease, at most every 30 s. Without a job it is the latest. --follow requires a task, continues with its next attempts, and stops when the task is done or has failed for good. Ctrl-C stops following, not the task.',
      examples: ['batchctl logs last --failed', 'batchctl logs last price/17', 'batchctl logs price/17 -f'],
      exitCodes: [
        [0, 'also if nothing was written'],
        [4, 'no such job or task'],
        [130, 'Ctrl-C while following'],
      ],
      related: ['failures', 'tasks', 'status', 'retry', 'reproduce'],
    },
    given: taskOfLatest,
    options: { '--raw': 'pass control characters to the terminal; otherwise they are shown as ^[' },
    show: (_, { follow, raw }) => ({
      async answer(rows) {
        if (!ctx.flags.json) return show(ctx, rows, { follow: follow === true, raw: raw === true });
        for await (const log of rows) await print(ctx, `${JSON.stringify(log)}\n`);
      },
    }),
  });
}

async function show(
  ctx: Context,
  rows: AsyncIterable<AttemptLog>,
  { follow, raw }: { readonly follow: boolean; readonly raw: boolean },
): Promise<void> {
  // A file or a pipe gets the bytes unchanged.
  const passes = raw || ctx.io.stdout.isTTY !== true;
  let last: string | null = null;
  let shown = new VisibleBytes();
  for await (const log of rows) {
    const bytes = logBytes(log);
    if (!follow || log.attempt !== last) {
      shown = new VisibleBytes();
      ctx.notice(`==> ${log.step}/${log.task} ${log.attempt} <==`);
    }
    await print(ctx, passes ? bytes : shown.write(bytes));
    last = log.attempt;
    if (follow) continue;
    await print(ctx, shown.end());
    if (bytes.length > 0 && bytes.at(-1) !== 10) await print(ctx, '\n');
  }
  if (last === null && !follow) ctx.notice('no attempt wrote anything to stderr');
}
