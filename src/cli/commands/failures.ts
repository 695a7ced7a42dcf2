import { type Cause, type CauseExample, causesOf, exampleOf, matching } from '../../jobs/failures.ts';
import { ahead } from '../../lib/ahead.ts';
import type { JobView } from '../../model/view.ts';
import { jobShown } from '../../verbs/job.ts';
import { FAILURES_OUTPUT } from '../cause-schema.ts';
import { causeDocument, causesTable, causeText, headline, nextCommands } from '../cause-text.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { print } from '../render.ts';
import { type Progress, startProgress } from '../render-progress.ts';

export function failuresCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': 'id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given' },
    options: { '--cause <id>': 'show one cause in detail: its tasks, and the log of one of them' },
    writes: false,
    output: FAILURES_OUTPUT,
    help: {
      about:
        'Shows why tasks failed for good, as of now. Failures are grouped by step, exit code, reason and last line of stderr, ignoring numbers, ids, paths and times. A cause has the same id in every job. Also works while the job is running.',
      examples: ['batchctl failures', 'batchctl failures last --cause qip7w6', 'batchctl failures last --json'],
      exitCodes: [
        [0, 'also if nothing failed for good'],
        [4, 'no such job or cause'],
      ],
      related: ['retry', 'skip', 'reproduce', 'logs', 'tasks', 'why'],
    },
    run: (input) => failures({ ctx, ...input }),
  });
}

export interface FailuresOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
  readonly cause: string | undefined;
}

/** Groups a job's failures by cause. Throws `notFound`, `usage`. */
export async function failures({ ctx, job, cause }: FailuresOptions): Promise<void> {
  const view = await jobShown(ctx, job);
  const all = await gather(ctx, view);
  const causes = cause === undefined ? all : matching(all, cause, view.record.job);
  if (ctx.flags.json) return printDocuments(ctx, view, causes);
  if (causes.length === 0) return ctx.notice(`no task of ${view.record.job} has failed for good`);
  if (cause === undefined) {
    await print(ctx, `${headline(view, causes)}\n\n${await causesTable(ctx, causes)}\n`);
  } else {
    const zone = await ctx.zone();
    for await (const { of, example } of withExamples(ctx, view, causes)) {
      await print(ctx, `${causeText(of, example, { zone, now: ctx.clock.now() })}\n`);
    }
  }
  const { isTTY, columns } = ctx.io.stderr;
  const room = isTTY === true ? (columns ?? 80) : Number.POSITIVE_INFINITY;
  ctx.notice(`\n${nextCommands(view, causes, cause !== undefined, room)}`);
}

async function printDocuments(ctx: Context, view: JobView, causes: readonly Cause[]): Promise<void> {
  for await (const { of, example } of withExamples(ctx, view, causes)) {
    await print(ctx, `${JSON.stringify(causeDocument(view.record.job, of, example))}\n`);
  }
}

const AHEAD = 8;

async function* withExamples(
  ctx: Context,
  view: JobView,
  causes: readonly Cause[],
): AsyncGenerator<{ readonly of: Cause; readonly example: CauseExample }> {
  const platform = await ctx.platform();
  yield* ahead(causes, AHEAD, async (of) => ({ of, example: await exampleOf(platform, view, of) }));
}

/** With fewer failures, a progress line would vanish before it can be read. */
const MANY = 5_000;

/** Up to this many failures are checked for bad input. */
const LOOKED_UP = 1_000;

async function gather(ctx: Context, view: JobView): Promise<readonly Cause[]> {
  let starting: Promise<void> | null = null;
  let progress: Progress | null = null;
  const onProgress = (seen: number): void => {
    ctx.signal.throwIfAborted();
    if (seen >= MANY) {
      starting ??= startProgress(ctx, 'reading failures').then((made) => {
        progress = made;
      });
    }
    if (seen % 1_000 === 0) progress?.update(seen, null);
  };
  const end = async (how: 'done' | 'failed'): Promise<void> => {
    await starting;
    progress?.[how]();
  };
  try {
    const causes = await causesOf(await ctx.platform(), view, onProgress, LOOKED_UP);
    await end('done');
    return causes;
  } catch (error) {
    await end('failed');
    throw error;
  }
}
