import { BatchctlError, exitCodeOf, isOurs } from '../../errors.ts';
import { loweredText } from '../../jobs/grid/lower.ts';
import { type Ticked, tick as tickOnce } from '../../jobs/watch/tick.ts';
import { killPoints } from '../../lib/kill-point.ts';
import { type CommandDefinition, defineCommand, type JsonSchema } from '../command.ts';
import { requireSaidProfile } from '../confirm.ts';
import type { Context } from '../context.ts';
import { formatInstant, formatMany } from '../format.ts';
import { tellRaised } from '../raise-work.ts';
import { answer } from '../render.ts';
import { iso } from '../schedule-document.ts';

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

const text = { type: 'string' };

const textOrNull = { type: ['string', 'null'] };

const time = { type: 'string', format: 'date-time' };

const list = (properties: JsonSchema, description: string): JsonSchema => ({
  type: 'array',
  description,
  items: { type: 'object', properties },
});

const ON_DEMAND: JsonSchema = {
  type: ['integer', 'null'],
  description: 'number of instances on demand from now on instead of spot; null if unchanged',
};

const TICK_OUTPUT: JsonSchema = {
  type: 'object',
  required: ['keeper', 'fired', 'waiting', 'missed', 'moved', 'raised', 'lowered', 'delivered', 'troubles', 'dryRun'],
  properties: {
    keeper: { ...text, description: 'the id under which it is recorded as active' },
    fired: list(
      { schedule: text, period: text, at: time, job: textOrNull },
      'with --dry-run: what would be fired, without a job',
    ),
    waiting: list(
      { schedule: text, period: text, at: time, why: text },
      'waiting for their input, because of --await-input',
    ),
    missed: list({ schedule: text, period: text, at: time }, 'whose catch-up time ended since the last round'),
    moved: list({ job: text, move: { enum: ['open', 'retry-rest', 'close'] } }, 'what was due for open jobs'),
    raised: list({ group: text, from: { type: 'integer' }, to: { type: 'integer' }, onDemand: ON_DEMAND }, 'groups'),
    lowered: list(
      { group: text, from: { type: 'integer' }, to: { type: 'integer' }, onDemand: ON_DEMAND },
      'groups whose launches hung without work',
    ),
    delivered: { type: 'array', items: text, description: 'results of deliveries, as text' },
    troubles: list(
      {
        about: text,
        kind: { ...text, description: 'of the error' },
        message: text,
        hint: textOrNull,
        news: { type: 'boolean', description: 'false: it was reported within the last hour' },
      },
      'what failed, while everything else was done',
    ),
    dryRun: { type: 'boolean' },
  },
};

function tickDocument(done: Ticked, dryRun: boolean): Readonly<Record<string, unknown>> {
  return {
    keeper: done.keeper,
    fired: done.fired.flatMap(({ schedule, period, at, ...fired }) =>
      fired.outcome === 'fired' || fired.outcome === 'due'
        ? [{ schedule, period, at: iso(at), job: fired.outcome === 'fired' ? fired.view.record.job : null }]
        : [],
    ),
    waiting: done.fired.flatMap(({ schedule, period, at, ...fired }) =>
      fired.outcome === 'waiting' ? [{ schedule, period, at: iso(at), why: fired.why }] : [],
    ),
    missed: done.missed.map(({ schedule, firing }) => ({ schedule, period: firing.period, at: iso(firing.at) })),
    moved: done.moved,
    raised: done.raised.flatMap((each) =>
      each.outcome === 'raised'
        ? [{ group: each.group, from: each.before, to: each.status.desired, onDemand: each.onDemand }]
        : [],
    ),
    lowered: done.lowered,
    delivered: done.delivered,
    troubles: done.troubles.map(({ about, error, news }) => ({ about, ...errorDocument(error), news })),
    dryRun,
  };
}

function errorDocument(error: unknown): {
  readonly kind: string;
  readonly message: string;
  readonly hint: string | null;
} {
  const message = error instanceof Error ? error.message : String(error);
  return isOurs(error)
    ? { kind: error.kind, message, hint: error.hint ?? null }
    : { kind: 'unexpected', message, hint: null };
}

const MOVES = { open: 'opened its next step', 'retry-rest': 'sent the rest after its canaries', close: 'closed' };

/** What a round did, a line each; nothing of one that found nothing to do. */
async function tickLines(ctx: Context, { fired, moved, lowered, delivered }: Ticked): Promise<readonly string[]> {
  const zone = await ctx.zone();
  const now = ctx.clock.now();
  return [
    ...fired.flatMap((each) => {
      const what = `${each.schedule}, ${each.period}`;
      const due = formatInstant(each.at, zone, now);
      switch (each.outcome) {
        case 'fired':
          return [`fired ${what}, due ${due}: job ${each.view.record.job}`];
        case 'due':
          return [`would fire ${what}, due ${due}`];
        case 'waiting':
          return [`${what} is waiting: ${each.why}`];
        case 'failed':
          return [];
        default:
          return each satisfies never;
      }
    }),
    ...moved.flatMap(({ job, move }) => (move === 'wait' ? [] : [`job ${job}: ${MOVES[move]}`])),
    ...lowered.map(loweredText),
    ...delivered,
  ];
}
