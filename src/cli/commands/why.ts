import type { Platform } from '../../ports/platform.ts';
import { JOB_TEXT } from '../../verbs/job.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { answer } from '../render.ts';
import { startProgress } from '../render-progress.ts';
import { WHY_OUTPUT } from '../why-schema.ts';
import { whyText } from '../why-text.ts';

export function whyCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    arguments: { '[job]': `${JOB_TEXT}; the latest unless given` },
    writes: false,
    output: WHY_OUTPUT,
    help: {
      about:
        'Explains why a job is slow, stuck or failing. Checks its journal and outputs, queues, workers and supervisors, the ledger, disks and credentials. Lists the most important cause first, each with the command that fixes it. Changes nothing.',
      examples: ['batchctl why', 'batchctl why last --json'],
      exitCodes: [
        [0, 'nothing is wrong: it runs normally, or it succeeded'],
        [4, 'no such job'],
        [11, 'it found one or more causes'],
      ],
      related: ['status', 'failures', 'tasks', 'doctor'],
    },
    run: (input) => why({ ctx, ...input }),
  });
}

export interface WhyOptions {
  readonly ctx: Context;
  readonly job: string | undefined;
}

/** Above this many tasks a progress line is shown. */
const LONG = 20_000;
const PATIENCE_MS = 3_000;

/** Explains what is wrong with a job. Returns 11 if it found anything. Throws `notFound`, `usage`. */
export async function why({ ctx, job }: WhyOptions): Promise<number> {
  const [{ whyJob }, { openPlatform }] = await Promise.all([
    import('../../jobs/why/why.ts'),
    import('../../platform.ts'),
  ]);
  const config = await ctx.config();
  // A platform of its own with little patience: this command reports that a service is unreachable instead of waiting
  // for it.
  const opened: Platform[] = [];
  const open = async (): Promise<Platform> => {
    const platform = await openPlatform(config, { role: 'cli', onWarning: ctx.warn, patienceMs: PATIENCE_MS });
    opened.push(platform);
    return platform;
  };
  const long = { progress: null as Awaited<ReturnType<typeof startProgress>> | null };
  const found = await whyJob(open, job, async ({ record }) => {
    if (record.parts > LONG && ctx.io.stderr.isTTY === true)
      long.progress = await startProgress(ctx, `checking ${record.job}`);
  }).finally(async () => {
    long.progress?.done();
    for (const platform of opened) await platform.close();
  });
  const zone = await ctx.zone();
  await answer(ctx, { json: found, text: () => whyText(ctx, found, zone) });
  return found.causes.length === 0 ? 0 : 11;
}
