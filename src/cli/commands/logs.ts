import { BatchctlError } from '../../errors.ts';
import { type AttemptLog, followLog, type LogEnd, listLogs } from '../../jobs/logs.ts';
import { parseTaskName, type TaskName } from '../../jobs/tasks.ts';
import type { JobView } from '../../model/view.ts';
import { JOB_TEXT, jobShown } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';
import { VisibleBytes } from '../terminal-text.ts';

export function logsCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '<job>': JOB_TEXT, '[task]': '<step>/<n> (default: all tasks)' },
    options: {
      '--failed': 'only tasks that failed for good',
      '--follow': 'keep printing new output until the task is done',
      '--raw': 'pass control characters to the terminal; otherwise they are shown as ^[',
    },
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
      about:
        'Prints what attempts wrote to stderr, each after a line (on stderr) that names the attempt. For a running attempt it shows the tail that its worker uploaded last: every third of a lease, at most every 30 s. --follow requires a task, continues with its next attempts, and stops when the task is done or has failed for good. Ctrl-C stops following, not the task.',
      examples: ['batchctl logs last --failed', 'batchctl logs last price/17', 'batchctl logs last price/17 --follow'],
      exitCodes: [
        [0, 'also if nothing was written'],
        [4, 'no such job or task'],
        [130, 'Ctrl-C while following'],
      ],
      related: ['failures', 'tasks', 'status', 'retry', 'reproduce'],
    },
    run: (input) => logs({ ctx, ...input }),
  });
}

export interface LogsOptions {
  readonly ctx: Context;
  readonly job: string;
  readonly task: string | undefined;
  readonly failed: boolean;
  readonly follow: boolean;
  readonly raw: boolean;
}

/** Writes the logs of attempts to stdout. Throws `notFound`, `usage`, `interrupted`. */
export async function logs({ ctx, job, task, failed, follow, raw }: LogsOptions): Promise<void> {
  const platform = await ctx.platform();
  const view = await jobShown(ctx, job);
  const named = task === undefined ? undefined : parseTaskName(view, task);
  if (follow) return followTask({ ctx, view, task: named, failed, raw });
  let count = 0;
  for await (const log of listLogs(platform, view, { task: named, failed })) {
    ctx.signal.throwIfAborted();
    count += 1;
    if (ctx.flags.json) await printDocument(ctx, log);
    else await printText(ctx, log, raw);
  }
  if (count === 0 && !ctx.flags.json) ctx.notice('no attempt wrote anything to stderr');
}

interface Followed extends Pick<LogsOptions, 'ctx' | 'failed' | 'raw'> {
  readonly view: JobView;
  readonly task: TaskName | undefined;
}

async function followTask({ ctx, view, task, failed, raw }: Followed): Promise<void> {
  const { job } = view.record;
  if (task === undefined || failed) {
    throw new BatchctlError('usage', `--follow requires one task${failed ? ', without --failed' : ''}`, {
      hint: `batchctl tasks ${job} --state running; then: batchctl logs ${job} STEP/N --follow`,
    });
  }
  const { name, task: n } = task;
  const pieces = followLog(await ctx.platform(), view, task, ctx.signal);
  let last: string | null = null;
  let decoder = new TextDecoder();
  let shown = new VisibleBytes();
  for (let next = await pieces.next(); ; next = await pieces.next()) {
    if (next.done) return sayEnd(ctx, `${name}/${n}`, job, next.value);
    const { attempt, bytes } = next.value;
    if (attempt !== last) [decoder, shown] = [new TextDecoder(), new VisibleBytes()];
    if (ctx.flags.json) {
      const text = decoder.decode(bytes, { stream: true });
      await print(ctx, `${JSON.stringify({ step: name, task: n, attempt, text })}\n`);
    } else {
      if (attempt !== last) ctx.notice(`==> ${name}/${n} ${attempt} <==`);
      await print(ctx, passes(ctx, raw) ? bytes : shown.write(bytes));
    }
    last = attempt;
  }
}

const ENDS: Readonly<Record<Exclude<LogEnd, 'interrupted'>, string>> = {
  done: 'is done',
  failed: 'failed for good',
  skipped: 'was skipped',
  cancelled: 'ended: its job was cancelled',
  closed: 'ended: its job was closed',
};

function sayEnd(ctx: Context, name: string, job: string, end: LogEnd): void {
  if (end === 'interrupted') {
    throw new BatchctlError('interrupted', `stopped following ${name}; the task continues`, {
      hint: `batchctl logs ${job} ${name} --follow`,
    });
  }
  ctx.notice(`${name} ${ENDS[end]}`);
}

/** Whether bytes go to stdout unchanged; always so for a file or a pipe. */
const passes = (ctx: Context, raw: boolean): boolean => raw || ctx.io.stdout.isTTY !== true;

async function printText(ctx: Context, log: AttemptLog, raw: boolean): Promise<void> {
  ctx.notice(`==> ${log.step}/${log.task} ${log.attempt} <==`);
  let ended = true;
  const shown = new VisibleBytes();
  for await (const chunk of (await log.open()) ?? []) {
    const bytes = chunk as Uint8Array;
    await print(ctx, passes(ctx, raw) ? bytes : shown.write(bytes));
    ended = bytes.at(-1) === 10;
  }
  await print(ctx, shown.end());
  if (!ended) await print(ctx, '\n');
}

async function printDocument(ctx: Context, { step, task, attempt, open }: AttemptLog): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await open()) ?? []) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString('utf8');
  await print(ctx, `${JSON.stringify({ step, task, attempt, text })}\n`);
}
