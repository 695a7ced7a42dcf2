import * as v from 'valibot';
import { BatchctlError, type ErrorKind, exitCodeOf, isBatchctlError } from '../errors.ts';
import { type TickResult, tick as tickOnce } from '../jobs/tick.ts';
import { isoOf } from '../lib/instant.ts';
import type { TickAnswer } from '../model/answers/upkeep.ts';
import { type RaiseEvent, raiseResultsOf } from './raise.ts';
import { changing, verb } from './verb.ts';

export type TickEvent =
  | Extract<RaiseEvent, { readonly event: 'raised' }>
  /** The work done in a round that was stopped; the error follows. */
  | { readonly event: 'stopped'; readonly round: TickAnswer };

/** Runs one round of a manager's duties. Failures are part of the answer. Throws `interrupted`. */
export const tick = verb<TickEvent>()({
  name: 'tick',
  ...changing('POST', '/rounds'),
  input: v.strictObject({}),
  answer: async () => (await import('../model/answers/upkeep.ts')).TICK_ANSWER,
  exit: ({ troubles }: TickAnswer) => {
    // A round doesn't fail because a group can't be raised: the problem is reported, and the next round retries.
    const first = troubles.find(({ about }) => !about.startsWith('group '));
    return first === undefined ? 0 : exitCodeOf(new BatchctlError(first.kind as ErrorKind, first.message));
  },
  async run({ dryRun, signal, passed, ...context }): Promise<TickAnswer> {
    const done = await tickOnce(await context.platform(), { dryRun, signal, passed });
    // Late jobs are already among the problems.
    const raised = done.raised.flatMap((each) => (each.outcome === 'raised' ? [{ ...each, late: null }] : []));
    if (raised.length > 0) context.report({ event: 'raised', groups: raiseResultsOf(raised) });
    for (const { schedule, period, lines } of done.leftOut)
      for (const text of lines) context.warn(`${schedule}, ${period}: ${text}`);
    const round = answerOf(done, dryRun);
    if (!signal.aborted) return round;
    context.report({ event: 'stopped', round });
    throw new BatchctlError('interrupted', 'stopped before the round was complete; the next round does the rest');
  },
});

function answerOf(done: TickResult, dryRun: boolean): TickAnswer {
  return {
    keeper: done.keeper,
    fired: done.fired.flatMap(({ schedule, period, at, ...fired }) =>
      fired.outcome === 'fired' || fired.outcome === 'due'
        ? [{ schedule, period, at: isoOf(at), job: fired.outcome === 'fired' ? fired.view.record.job : null }]
        : [],
    ),
    waiting: done.fired.flatMap(({ schedule, period, at, ...fired }) =>
      fired.outcome === 'waiting' ? [{ schedule, period, at: isoOf(at), why: fired.why }] : [],
    ),
    missed: done.missed.map(({ schedule, firing }) => ({ schedule, period: firing.period, at: isoOf(firing.at) })),
    moved: done.moved.flatMap(({ job, move }) => (move === 'wait' ? [] : [{ job, move }])),
    raised: done.raised.flatMap((each) =>
      each.outcome === 'raised'
        ? [{ group: each.group, from: each.before, to: each.status.desired, onDemand: each.onDemand }]
        : [],
    ),
    lowered: done.lowered,
    delivered: done.delivered,
    troubles: done.troubles.map(({ about, error, news }) => ({ about, ...errorOf(error), news })),
    dryRun,
  };
}

function errorOf(error: unknown): Pick<TickAnswer['troubles'][number], 'kind' | 'message' | 'hint'> {
  const message = error instanceof Error ? error.message : String(error);
  return isBatchctlError(error)
    ? { kind: error.kind, message, hint: error.hint ?? null }
    : { kind: 'unexpected', message, hint: null };
}
