import { isBatchctlError, messageOf } from '../errors.ts';
import { type GroupLowering, loweredText } from '../jobs/grid/lower.ts';
import type { GroupRaise } from '../jobs/grid/raise.ts';
import type { Trouble } from '../jobs/keeper-mark.ts';
import type { FireResult } from '../jobs/schedules/fire.ts';
import type { MissedFiring, WatchRoundResult } from '../jobs/tick.ts';
import { leftOutLines } from '../model/job.ts';

/** One line of a manager's log: for journald, a terminal, or a program that reads JSON Lines. */
export interface LogLine {
  /** A stable word: `fired`, `trouble`, `listening`. */
  readonly event: string;
  readonly level: 'info' | 'warning';
  /** For people. */
  readonly text: string;
  /** The same for programs. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export type Log = (line: LogLine) => void;

const lineOf =
  (level: LogLine['level']) =>
  (event: string, text: string, fields: LogLine['fields'] = {}): LogLine => ({ event, level, text, fields });

export const info = lineOf('info');
export const warning = lineOf('warning');

/** The duties' actions, one line each; none for duties that found nothing to do. */

export function firedLines(fired: readonly FireResult[]): readonly LogLine[] {
  return fired.flatMap((each) => {
    if (each.outcome !== 'fired') return [];
    const { schedule, period, at, view } = each;
    const due = new Date(at).toISOString();
    const { job } = view.record;
    return [
      info('fired', `fired ${schedule}, ${period}, due ${due}: job ${job}`, { schedule, period, due, job }),
      ...leftOutLines(view.record).map((text) =>
        warning('left-out', `${schedule}, ${period}: ${text}`, { schedule, period, job }),
      ),
    ];
  });
}

export function missedLines(missed: readonly MissedFiring[]): readonly LogLine[] {
  return missed.map(({ schedule, firing: { period, at } }) =>
    warning(
      'missed',
      `${schedule} missed ${period}: run it with batchctl schedule run ${schedule} --period ${period}`,
      {
        schedule,
        period,
        due: new Date(at).toISOString(),
      },
    ),
  );
}

const MOVES = { open: 'opened its next step', 'retry-rest': 'sent the rest after its canaries', close: 'closed' };

export function movedLines(moved: WatchRoundResult['moved']): readonly LogLine[] {
  return moved.flatMap(({ job, move }) =>
    move === 'wait' ? [] : [info('moved', `job ${job}: ${MOVES[move]}`, { job, move })],
  );
}

export function raisedLines(raised: readonly GroupRaise[]): readonly LogLine[] {
  return raised.flatMap((each) => {
    if (each.outcome !== 'raised') return [];
    const [group, from, to, onDemand] = [each.group, each.before, each.status.desired, each.onDemand];
    const standIn = onDemand === null ? '' : `, ${onDemand} on demand instead of spot`;
    return [
      info('raised', `group ${group}: requested ${to} (${from} before)${standIn}`, { group, from, to, onDemand }),
    ];
  });
}

export function loweredLines(lowered: readonly GroupLowering[]): readonly LogLine[] {
  return lowered.map((each) => info('lowered', loweredText(each), { ...each }));
}

export function troubleLine({ about, error }: Pick<Trouble, 'about' | 'error'>): LogLine {
  const message = messageOf(error);
  const { kind, hint = null } = isBatchctlError(error) ? error : { kind: 'unexpected' };
  return warning('trouble', `${about}: ${message}${hint === null ? '' : `; ${hint}`}`, { about, kind, message, hint });
}
