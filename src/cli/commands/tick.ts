import { BatchctlError, exitCodeOf } from '../../errors.ts';
import { type Ticked, tick as tickOnce } from '../../jobs/tick.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { formatMany } from '../format.ts';
import { tellRaised } from '../raise-work.ts';
import { answer } from '../render.ts';
import { requireSaidProfile } from '../said-profile.ts';
import { TICK_OUTPUT, tickDocument, tickLines } from '../tick-document.ts';

export function tickCommand(ctx: Context): CommandDefinition {
  return defineCommand({
    writes: true,
    output: TICK_OUTPUT,
    help: {
      about:
        'One round: fires what is due of the schedules, looks on at open jobs (opens gathers, closes, raises groups and lowers those whose launches hang for nothing, sends again what was lost, tells people, delivers), and leaves the mark of a keeper. For a crontab, each minute, on as many hosts as you like. With --quiet it is silent unless something is wrong, and says the same trouble again after an hour.',
      examples: ['batchctl tick', 'batchctl tick --quiet --profile local', 'batchctl tick --dry-run'],
      exitCodes: [
        [0, 'the round was made'],
        [3, 'credentials have ended; or a firing failed for its job file'],
        [4, "a firing failed: its input isn't there; it is tried again until its catch-up ends"],
        [7, 'a firing was refused'],
        [8, 'a service is unreachable or keeps refusing'],
        [9, "a job can't be looked at: something of it is damaged"],
        130,
      ],
      related: ['schedule add', 'schedule ls', 'schedule run', 'doctor', 'worker', 'scale'],
    },
    run: () => tick({ ctx }),
  });
}

export interface TickOptions {
  readonly ctx: Context;
}

/** Makes one round, and answers the exit code of the first thing that went wrong. */
export async function tick({ ctx }: TickOptions): Promise<number> {
  await requireSaidProfile(ctx);
  const platform = await ctx.platform();
  const done = await tickOnce(platform, {
    dryRun: ctx.flags.dryRun,
    signal: ctx.signal,
    passed: killPoints(ctx.io.env),
  });
  const text = ctx.flags.quiet ? '' : (await tickLines(ctx, done)).join('\n');
  await answer(ctx, { json: tickDocument(done, ctx.flags.dryRun), text });
  tell(ctx, done, await ctx.zone());
  if (ctx.signal.aborted)
    throw new BatchctlError('interrupted', 'stopped before the round was over: the next one does the rest');
  // A group that can't be raised fails nothing that was submitted: it is told, and tried again.
  const [first] = done.troubles.filter(({ about }) => !about.startsWith('group '));
  return first === undefined ? 0 : exitCodeOf(first.error);
}

function tell(ctx: Context, { troubles, missed, raised }: Ticked, zone: string): void {
  tellRaised(
    ctx,
    // That a job ends late is among the troubles.
    raised.flatMap((each) => (each.outcome === 'raised' ? [{ ...each, late: null }] : [])),
    zone,
  );
  for (const { schedule, firing } of missed) {
    ctx.warn(
      `${schedule} missed ${firing.period}: batchctl schedule run ${schedule} --period ${firing.period} runs it`,
    );
  }
  const old = troubles.filter(({ news }) => !news).length;
  for (const { about, error, news } of troubles) {
    if (!news) continue;
    const hint = error instanceof BatchctlError && error.hint !== undefined ? `; ${error.hint}` : '';
    ctx.warn(`${about}: ${error instanceof Error ? error.message : String(error)}${hint}`);
  }
  if (old > 0) ctx.notice(`${formatMany(old, 'trouble')} more, told within the hour`);
}
