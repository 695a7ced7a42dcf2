import { isOurs } from '../errors.ts';
import { loweredText } from '../jobs/lower.ts';
import type { Ticked } from '../jobs/tick.ts';
import type { JsonSchema } from './command.ts';
import type { Context } from './context.ts';
import { formatInstant } from './format.ts';
import { iso } from './schedule-document.ts';

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

export const TICK_OUTPUT: JsonSchema = {
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

export function tickDocument(done: Ticked, dryRun: boolean): Readonly<Record<string, unknown>> {
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
export async function tickLines(
  ctx: Context,
  { fired, moved, lowered, delivered }: Ticked,
): Promise<readonly string[]> {
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
