import { loweredText } from '../../jobs/grid/lower.ts';
import type { TickAnswer } from '../../model/answers/upkeep.ts';
import { type TickEvent, tick } from '../../verbs/tick.ts';
import type { CommandDefinition } from '../command.ts';
import type { Context } from '../context.ts';
import { formatInstant, formatMany } from '../format.ts';
import { printRaiseEvent } from '../print-notices.ts';
import { printAnswer } from '../render.ts';
import { type Presenter, verbCommand } from '../verb-command.ts';

export function tickCommand(ctx: Context): CommandDefinition {
  return verbCommand(ctx, tick, {
    help: {
      about:
        'Does one round: fires due schedules and looks after open jobs. It opens gathers, closes jobs, raises groups, lowers groups whose launches hang without work, re-sends lost tasks, notifies, delivers outputs, and records that it ran. Call it every minute from a crontab, on any number of hosts. With --quiet it prints only problems, and repeats each at most once an hour; what the inputs of firings leave out, only when that changes.',
      examples: ['batchctl tick', 'batchctl tick --quiet --profile local', 'batchctl tick --dry-run'],
      exitCodes: {
        0: 'the round was completed',
        3: 'credentials have expired, or a firing failed because of its job file',
        4: 'a firing failed because an input is missing; it is retried until its catch-up time ends',
        7: 'a firing was refused',
        8: 'a service is unreachable or keeps rejecting requests',
        9: "a job can't be read because it is damaged",
        130: true,
      },
      related: ['schedule add', 'schedule ls', 'schedule run', 'doctor', 'worker', 'scale'],
    },
    show: () => tickPresenter(ctx),
  });
}

function tickPresenter(ctx: Context): Presenter<TickAnswer, TickEvent> {
  // Printed after the answer, which people read first.
  const raised: Extract<TickEvent, { readonly event: 'raised' }>[] = [];
  const show = async (round: TickAnswer): Promise<void> => {
    await printAnswer(ctx, {
      json: round,
      text: ctx.flags.quiet ? '' : async () => (await roundLines(ctx, round)).join('\n'),
    });
    for (const event of raised) await printRaiseEvent(ctx, event);
    reportProblems(ctx, round);
  };
  return {
    event: (event) => (event.event === 'stopped' ? show(event.round) : void raised.push(event)),
    answer: show,
  };
}

function reportProblems(ctx: Context, { troubles, missed }: TickAnswer): void {
  for (const { schedule, period } of missed) {
    ctx.warn(`${schedule} missed ${period}: run it with batchctl schedule run ${schedule} --period ${period}`);
  }
  for (const { about, message, hint, news } of troubles) {
    if (news) ctx.warn(`${about}: ${message}${hint === null ? '' : `; ${hint}`}`);
  }
  const old = troubles.filter(({ news }) => !news).length;
  if (old > 0) ctx.notice(`${formatMany(old, 'more problem')}, reported within the last hour`);
}

const MOVES = { open: 'opened its next step', 'retry-rest': 'sent the rest after its canaries', close: 'closed' };

/** A round's actions, one line each; none if there was nothing to do. */
async function roundLines(ctx: Context, round: TickAnswer): Promise<readonly string[]> {
  const { fired, waiting, moved, lowered, delivered } = round;
  const zone = await ctx.zone();
  const now = ctx.clock.now();
  return [
    ...fired.map(({ schedule, period, at, job }) => {
      const what = `${schedule}, ${period}, due ${formatInstant(Date.parse(at), zone, now)}`;
      return job === null ? `would fire ${what}` : `fired ${what}: job ${job}`;
    }),
    ...waiting.map(({ schedule, period, why }) => `${schedule}, ${period} is waiting: ${why}`),
    ...moved.map(({ job, move }) => `job ${job}: ${MOVES[move]}`),
    ...lowered.map(loweredText),
    ...delivered,
  ];
}
