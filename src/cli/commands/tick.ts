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
        'Does one round: fires due schedules and looks after open jobs. It opens gathers, closes jobs, raises groups, lowers groups whose launches hang without work, re-sends lost tasks, notifies, delivers outputs, and records that it ran. Call it every minute from a crontab, on any number of hosts. With --quiet it prints only problems, and repeats each at most once an hour.',
      examples: ['batchctl tick', 'batchctl tick --quiet --profile local', 'batchctl tick --dry-run'],
      exitCodes: [
        [0, 'the round was completed'],
        [3, 'credentials have expired, or a firing failed because of its job file'],
        [4, 'a firing failed because an input is missing; it is retried until its catch-up time ends'],
        [7, 'a firing was refused'],
        [8, 'a service is unreachable or keeps rejecting requests'],
        [9, "a job can't be read because it is damaged"],
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

/** Does one round. Returns the exit code of the first problem. */
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
    throw new BatchctlError('interrupted', 'stopped before the round was complete; the next round does the rest');
  // A submission doesn't fail because a group can't be raised. The problem is reported, and the raise retried.
  const [first] = done.troubles.filter(({ about }) => !about.startsWith('group '));
  return first === undefined ? 0 : exitCodeOf(first.error);
}

function tell(ctx: Context, { troubles, missed, raised }: Ticked, zone: string): void {
  tellRaised(
    ctx,
    // A late job is among the problems.
    raised.flatMap((each) => (each.outcome === 'raised' ? [{ ...each, late: null }] : [])),
    zone,
  );
  for (const { schedule, firing } of missed) {
    ctx.warn(
      `${schedule} missed ${firing.period}: run it with batchctl schedule run ${schedule} --period ${firing.period}`,
    );
  }
  const old = troubles.filter(({ news }) => !news).length;
  for (const { about, error, news } of troubles) {
    if (!news) continue;
    const hint = error instanceof BatchctlError && error.hint !== undefined ? `; ${error.hint}` : '';
    ctx.warn(`${about}: ${error instanceof Error ? error.message : String(error)}${hint}`);
  }
  if (old > 0) ctx.notice(`${formatMany(old, 'more problem')}, reported within the last hour`);
}
