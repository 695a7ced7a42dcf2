import { distanceText, formatCount, formatDistance, formatInstant } from '../../cli/format.ts';
import type { Tone } from '../../cli/report-html/theme.ts';
import type { GridCell, GridRow, PeriodUnit } from '../../model/period-grid.ts';
import { reasonText } from '../../model/reason-text.ts';
import type { Status } from '../api-routes.ts';
import { marginOf, toneOfState } from './job.ts';

/** How a cell looks: a colour and a shape, and whether it is late. */
export interface CellAppearance {
  readonly state: GridCell['state'];
  readonly tone: Tone;
  /** `tight`: it will be late unless something changes, or only just in time. */
  readonly late: 'late' | 'tight' | null;
  /** Everything about it, for a person who points at it or can't see it. */
  readonly text: string;
}

const TONES: Readonly<Record<'due' | 'missed' | 'coming', Tone>> = { due: 'doubtful', missed: 'bad', coming: 'open' };
export const toneOfCell = (state: GridCell['state']): Tone =>
  state === 'due' || state === 'missed' || state === 'coming' ? TONES[state] : toneOfState(state);

/** A cell as it is now. `status`: of its job, if the page follows it: newer than the cell. */
export function appearanceOf(
  row: GridRow,
  cell: GridCell,
  status: Status | undefined,
  zone: string,
  at: number,
): CellAppearance {
  const state = status?.state ?? cell.state;
  const margin = status === undefined ? null : marginOf(status, zone, at);
  const late = margin === null ? (cell.late ? 'late' : null) : marginLook(margin.tone);
  const closedAt = status?.closedAt ?? cell.closedAt;
  const what = [
    `${row.schedule ?? row.name} ${cell.period ?? cell.job ?? ''}`,
    stateText(cell, state, status?.reason ?? cell.reason, at),
    ...(closedAt === null || cell.job === null ? [] : [`ended ${formatInstant(Date.parse(closedAt), zone, at)}`]),
    ...(margin !== null ? [`${margin.margin} (${margin.detail})`] : lateText(cell)),
    ...severalText(cell),
  ];
  return { state, tone: toneOfCell(state), late, text: what.join(' · ') };
}

const marginLook = (tone: Tone): CellAppearance['late'] =>
  tone === 'bad' ? 'late' : tone === 'doubtful' ? 'tight' : null;

function stateText({ job, at: due }: GridCell, state: GridCell['state'], reason: string | null, at: number): string {
  const ago = formatDistance(Date.parse(due) - at);
  if (state === 'missed') return `never ran: it was due ${ago}`;
  if (state === 'due') return `has not started: it was due ${ago}`;
  if (state === 'coming') return `starts ${ago}`;
  if (job === null) return 'did not run: the schedule was paused';
  return reason === null ? state : `${state}: ${reasonText(reason)}`;
}

function lateText({ closedAt, finishBy }: GridCell): readonly string[] {
  return closedAt === null || finishBy === null ? [] : [distanceText(Date.parse(finishBy) - Date.parse(closedAt))];
}

/** `the worst of 5 runs: 4 succeeded, 1 failed`; nothing for a single run. */
function severalText({ states }: GridCell): readonly string[] {
  const counts = Object.entries(states);
  const runs = counts.reduce((sum, [, count]) => sum + count, 0);
  if (runs < 2) return [];
  return [
    `the worst of ${formatCount(runs)}: ${counts.map(([state, count]) => `${formatCount(count)} ${state}`).join(', ')}`,
  ];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WEEKDAYS = ['Su', 'Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa'];

interface ColumnWords {
  /** Two short lines. */
  readonly above: string;
  readonly below: string;
  /** For screen readers. */
  readonly whole: string;
  /** A day on which few jobs run. */
  readonly quiet: boolean;
}

/** A column's heading. `previous`: the column before it, whose month or year need not be repeated. */
export function columnWords(unit: PeriodUnit, column: string, previous: string | undefined): ColumnWords {
  const year = column.slice(0, 4);
  const isNewYear = previous?.slice(0, 4) !== year;
  const month = MONTHS[Number(column.slice(5, 7)) - 1] ?? '';
  if (unit === 'month') return { above: isNewYear ? year : '', below: month, whole: `${month} ${year}`, quiet: false };
  if (unit !== 'day') {
    const part = column.slice(5);
    return { above: isNewYear ? year : '', below: part, whole: `${part} ${year}`, quiet: false };
  }
  const day = new Date(`${column}T00:00:00Z`).getUTCDay();
  const above = previous?.slice(0, 7) === column.slice(0, 7) ? (WEEKDAYS[day] ?? '') : month;
  const below = String(Number(column.slice(8)));
  return { above, below, whole: `${WEEKDAYS[day]} ${below} ${month} ${year}`, quiet: day === 0 || day === 6 };
}

export const UNIT_WORDS: Readonly<Record<PeriodUnit, string>> = {
  day: 'Days',
  week: 'Weeks',
  month: 'Months',
  quarter: 'Quarters',
};
