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
        'Prints what attempts wrote to stderr, each after a line (on stderr) that names the attempt. For a running attempt it shows the tail that its worker uploaded last: every third of a lease, at most every 30 s. Without a job it is the latest. --follow of a task continues with its next attempts, and stops when the task is done or has failed for good. --follow of a job shows what its running tasks write, and those that begin later, each line after the name of its task, until the job ends; in a job of more than 10,000 tasks it follows up to 1,000 at a time. Ctrl-C stops following, not the work.',
      examples: [
        'batchctl logs last --failed',
        'batchctl logs last price/17',
        'batchctl logs price/17 -f',
        'batchctl logs last -f',
      ],
      exitCodes: [
        [0, 'also if nothing was written'],
        [4, 'no such job or task'],
        [130, 'Ctrl-C while following'],
      ],
      related: ['failures', 'tasks', 'status', 'retry', 'reproduce'],
    },
    given: taskOfLatest,
    options: { '--raw': 'pass control characters to the terminal; otherwise they are shown as ^[' },
    show: (_, { follow, raw, ...given }) => ({
      async answer(rows) {
        const ofJob = given.task === undefined && taskOfLatest(given).task === undefined;
        if (!ctx.flags.json && follow === true && ofJob) return showLines(ctx, rows, raw === true);
        if (!ctx.flags.json) return show(ctx, rows, { follow: follow === true, raw: raw === true });
        for await (const log of rows) await print(ctx, `${JSON.stringify(log)}\n`);
      },
    }),
  });
}

/** Tasks with an unfinished line that are kept apart, and bytes of such a line. */
const MOST_UNFINISHED = 1_000;
const LONGEST_UNFINISHED = 64 * 1024;

/** Prints the lines of several tasks, each whole and after the name of its task. */
async function showLines(ctx: Context, rows: AsyncIterable<AttemptLog>, raw: boolean): Promise<void> {
  const passes = raw || ctx.io.stdout.isTTY !== true;
  const unfinished = new Map<string, { readonly name: string; readonly bytes: Buffer }>();
  let width = 0;
  const printLines = async (name: string, bytes: Buffer): Promise<void> => {
    width = Math.max(width, name.length);
    const before = Buffer.from(`${name.padEnd(width)} | `);
    const out: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; ) {
      const feed = bytes.indexOf(10, from);
      const line = bytes.subarray(from, feed < 0 ? bytes.length : feed);
      const shown = new VisibleBytes();
      out.push(before, passes ? line : Buffer.from(shown.write(line) + shown.end()), LINE_FEED);
      from = feed < 0 ? bytes.length : feed + 1;
    }
    await print(ctx, Buffer.concat(out));
  };
  const finish = async (attempt: string): Promise<void> => {
    const left = unfinished.get(attempt);
    unfinished.delete(attempt);
    if (left !== undefined) await printLines(left.name, left.bytes);
  };
  for await (const log of rows) {
    const name = `${log.step}/${log.task}`;
    const bytes = Buffer.concat([unfinished.get(log.attempt)?.bytes ?? Buffer.alloc(0), logBytes(log)]);
    unfinished.delete(log.attempt);
    const whole = bytes.length > LONGEST_UNFINISHED ? bytes.length : bytes.lastIndexOf(10) + 1;
    if (whole > 0) await printLines(name, bytes.subarray(0, whole));
    if (whole < bytes.length) unfinished.set(log.attempt, { name, bytes: bytes.subarray(whole) });
    const [oldest] = unfinished.keys();
    if (unfinished.size > MOST_UNFINISHED && oldest !== undefined) await finish(oldest);
  }
  for (const attempt of [...unfinished.keys()]) await finish(attempt);
}

const LINE_FEED = Buffer.from('\n');

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
