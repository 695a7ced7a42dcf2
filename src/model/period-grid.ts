import { groupBy } from './group-by.ts';
import type { JobState } from './job-state.ts';
import type { LedgerJob } from './ledger/records.ts';
import { DAY, wallTime } from './wall-time.ts';

export type PeriodUnit = 'month' | 'quarter' | 'week' | 'day';

/** Columns shown for each unit: a year of months, two weeks of days. */
const COLUMNS: Readonly<Record<PeriodUnit, number>> = { month: 12, quarter: 8, week: 12, day: 14 };
/** From coarse to fine. */
const UNITS = ['quarter', 'month', 'week', 'day'] as const satisfies readonly PeriodUnit[];
/** Periods from which a unit can be told: two may fall into different months by chance. */
const MIN_PERIODS = 3;
/** Rows shown for each unit. */
const MOST_ROWS = 60;
/** Runs of a cell whose deadlines count, newest first. */
const MAX_RUNS_IN_CELL = 4;

/** A run as the ledger knows it. */
export type GridRun = Pick<LedgerJob, 'job' | 'name' | 'runKey' | 'state' | 'reason' | 'createdAt' | 'closedAt'>;

/** A firing of a schedule without a job. `coming`: its time has not come yet. */
export interface GridGap {
  readonly period: string;
  readonly at: number;
  readonly state: GapState;
}

type GapState = 'due' | 'missed' | 'paused' | 'coming';

export interface GridSchedule {
  readonly schedule: string;
  readonly name: string;
  /** Its recent firings, whether they ran or not. */
  readonly periods: readonly string[];
  readonly gaps: readonly GridGap[];
}

interface GridFacts {
  readonly runs: readonly GridRun[];
  readonly schedules: readonly GridSchedule[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** IANA zone of the days of runs whose key names no period. */
  readonly zone: string;
}

/** The content of a cell: the run or gap that most needs a person. */
export interface GridCell {
  readonly state: JobState | GapState;
  /** Null for a gap: a run that is missing, or not due yet. */
  readonly job: string | null;
  /** As in the run key; null for a run whose key names none. */
  readonly period: string | null;
  readonly reason: string | null;
  /** ISO-8601 UTC: when the run was submitted, or when the gap was due. */
  readonly at: string;
  readonly closedAt: string | null;
  /** The deadline of a closed run; the status of an open one tells it. */
  readonly finishBy: string | null;
  readonly late: boolean;
  /** Runs and gaps of the cell by state. A run that was run again counts once, as it went last. */
  readonly states: Readonly<Partial<Record<JobState | GapState, number>>>;
}

export interface GridRow {
  /** The job's name. */
  readonly name: string;
  /** The schedule that runs it, if its name differs from the job's. */
  readonly schedule: string | null;
  /** One for each column of the band; null: nothing ran, and nothing should have. */
  readonly cells: readonly (GridCell | null)[];
}

/** The rows whose periods have the same length. */
export interface GridBand {
  readonly unit: PeriodUnit;
  /** `2026-11`, `2026-Q4`, `2026-W48`, `2026-11-28`: the newest first. */
  readonly columns: readonly string[];
  readonly rows: readonly GridRow[];
  /** Rows that are left out, none of which needs a person. */
  readonly left: number;
}

/** A period as its text names it. `unit`: the finest that the text names. */
interface Period {
  readonly unit: PeriodUnit;
  /** Its first day, as if in UTC. */
  readonly day: number;
}

const YEAR = String.raw`(?<!\d)(20\d\d)`;
const MONTH = '(0[1-9]|1[0-2])';
const DAY_OF_MONTH = String.raw`(0[1-9]|[12]\d|3[01])`;
const dayOf = ([year = 0, month = 1, day = 1]: readonly number[]): number => Date.UTC(year, month - 1, day);
const FORMS: readonly (readonly [PeriodUnit, RegExp, (parts: readonly number[]) => number])[] = [
  ['day', new RegExp(`${YEAR}-${MONTH}-${DAY_OF_MONTH}(?:T[0-2]\\d:?[0-5]\\d)?(?!\\d)`), dayOf],
  ['day', new RegExp(`${YEAR}${MONTH}${DAY_OF_MONTH}(?!\\d)`), dayOf],
  [
    'week',
    new RegExp(`${YEAR}-?W(0[1-9]|[1-4]\\d|5[0-3])(?!\\d)`),
    ([year = 0, week = 0]) => mondayOf(Date.UTC(year, 0, 4)) + (week - 1) * 7 * DAY,
  ],
  ['quarter', new RegExp(`${YEAR}-?Q([1-4])(?!\\d)`), ([year = 0, quarter = 1]) => Date.UTC(year, quarter * 3 - 3, 1)],
  ['month', new RegExp(`${YEAR}-${MONTH}(?!-?\\d)`), dayOf],
];

/** The period in a run key such as `claims-2026-11` or `nightly@2026-11-28T06:00`, and what precedes it. */
export function periodOf(runKey: string): (Period & { readonly text: string; readonly stem: string }) | null {
  for (const [unit, form, toDay] of FORMS) {
    const match = form.exec(runKey);
    if (match === null) continue;
    const stem = runKey.slice(0, match.index);
    return { unit, day: toDay(match.slice(1).map(Number)), text: match[0], stem };
  }
  return null;
}

const mondayOf = (day: number): number => day - ((new Date(day).getUTCDay() + 6) % 7) * DAY;

function columnOf(unit: PeriodUnit, day: number): string {
  const date = new Date(day).toISOString().slice(0, 10);
  if (unit === 'day') return date;
  if (unit === 'month') return date.slice(0, 7);
  if (unit === 'quarter') return `${date.slice(0, 4)}-Q${Math.ceil(Number(date.slice(5, 7)) / 3)}`;
  // A week belongs to the year of its Thursday (ISO 8601).
  const thursday = mondayOf(day) + 3 * DAY;
  const year = new Date(thursday).getUTCFullYear();
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * DAY));
  return `${year}-W${String(week).padStart(2, '0')}`;
}

/** The columns up to the one with this day, the newest first. */
function columnsUpTo(unit: PeriodUnit, day: number): readonly string[] {
  const date = new Date(day);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  return Array.from({ length: COLUMNS[unit] }, (_, back) => {
    if (unit === 'day') return columnOf(unit, day - back * DAY);
    if (unit === 'week') return columnOf(unit, day - back * 7 * DAY);
    return columnOf(unit, Date.UTC(year, month - back * (unit === 'month' ? 1 : 3), 1));
  });
}

/** The coarsest unit in which each period has a column of its own; never finer than the texts name. */
function unitOf(periods: readonly Period[]): PeriodUnit {
  const named = periods[0]?.unit ?? 'day';
  const days = [...new Set(periods.map(({ day }) => day))];
  if (named !== 'day' || days.length < MIN_PERIODS) return named;
  return UNITS.find((unit) => new Set(days.map((day) => columnOf(unit, day))).size === days.length) ?? 'day';
}

interface GridEntry {
  readonly period: string | null;
  readonly day: number;
  /** Null for a run whose key names no period. */
  readonly named: Period | null;
  readonly run: GridRun | null;
  readonly gap: GridGap | null;
}

interface PlacedRow extends Omit<Row, 'placed'> {
  /** By column: what happened in it, the newest first. */
  readonly columns: ReadonlyMap<string, readonly GridEntry[]>;
}

/** Where runs and gaps belong, before their deadlines are known. */
export interface GridPlan {
  readonly bands: readonly {
    readonly unit: PeriodUnit;
    readonly columns: readonly string[];
    readonly places: readonly PlacedRow[];
  }[];
  /** The closed jobs whose deadlines the cells need. */
  readonly needed: readonly GridRun[];
}

/** Places runs by job and period: the first half of the grid, which says whose deadlines the second half needs. */
export function planGrid({ runs, schedules, now, zone }: GridFacts): GridPlan {
  const dayIn = (instant: number): number => {
    const { year, month, day } = wallTime(instant, zone);
    return Date.UTC(year, month - 1, day);
  };
  const today = dayIn(now);
  const rows = rowsOf(runs, schedules, dayIn);
  const bands = UNITS.toReversed().flatMap((unit) => {
    const own = rows.filter((row) => row.unit === unit);
    // A period may be run before its time.
    const newest = Math.max(
      today,
      ...own.flatMap(({ placed }) => placed.filter(({ run }) => run !== null).map(({ day }) => day)),
    );
    const columns = columnsUpTo(unit, Math.min(newest, today + 31 * DAY));
    const places = own.flatMap((row) => placeOf(row, columns));
    return places.length === 0 ? [] : [{ unit, columns, places }];
  });
  const needed = bands.flatMap(({ places }) =>
    places.flatMap(({ columns }) =>
      [...columns.values()].flatMap((placed) =>
        placed.slice(0, MAX_RUNS_IN_CELL).flatMap(({ run }) => (run === null || run.closedAt === null ? [] : [run])),
      ),
    ),
  );
  return { bands, needed };
}

interface Row {
  readonly name: string;
  readonly schedule: string | null;
  readonly unit: PeriodUnit;
  readonly placed: readonly GridEntry[];
}

/** One row for each job name, and for each schedule that has a name of its own; two where their periods differ in kind. */
function rowsOf(
  runs: readonly GridRun[],
  schedules: readonly GridSchedule[],
  dayIn: (at: number) => number,
): readonly Row[] {
  const known = new Map(schedules.map((schedule) => [schedule.schedule, schedule]));
  const groups = new Map<string, { name: string; schedule: string | null; expected: Period[]; placed: GridEntry[] }>();
  const groupOf = (name: string, schedule: string | null, kind: string) => {
    const key = JSON.stringify([name, schedule, kind]);
    const group = groups.get(key) ?? { name, schedule, expected: [], placed: [] };
    groups.set(key, group);
    return group;
  };
  for (const { schedule, name, periods, gaps } of schedules) {
    const parsed = periods.flatMap((text) => periodOf(text) ?? []);
    const group = groupOf(name, schedule === name ? null : schedule, parsed[0]?.unit ?? 'day');
    group.expected.push(...parsed);
    for (const gap of gaps) {
      const named = periodOf(gap.period);
      if (named !== null) group.placed.push({ period: gap.period, day: named.day, named, run: null, gap });
    }
  }
  for (const run of runs) {
    const named = run.runKey === null ? null : periodOf(run.runKey);
    const firedBy = named?.stem.endsWith('@') === true ? known.get(named.stem.slice(0, -1)) : undefined;
    const schedule = firedBy === undefined || firedBy.schedule === run.name ? null : firedBy.schedule;
    const group = groupOf(run.name, schedule, named?.unit ?? 'loose');
    group.placed.push({ period: named?.text ?? null, day: named?.day ?? dayIn(run.createdAt), named, run, gap: null });
  }
  const merged = new Map<string, Row>();
  for (const { name, schedule, expected, placed } of groups.values()) {
    const own = placed.flatMap(({ named }) => named ?? []);
    const unit = unitOf(expected.length >= MIN_PERIODS ? expected : [...expected, ...own]);
    const key = JSON.stringify([name, schedule, unit]);
    const before = merged.get(key);
    merged.set(key, { name, schedule, unit, placed: [...(before?.placed ?? []), ...placed] });
  }
  return [...merged.values()];
}

/** Nothing for a row that has only older periods. */
function placeOf({ name, schedule, unit, placed }: Row, columns: readonly string[]): readonly PlacedRow[] {
  const shown = new Set(columns);
  const found = groupBy(newestOfEach(placed), ({ day }) => {
    const column = columnOf(unit, day);
    return shown.has(column) ? column : undefined;
  });
  return found.size === 0 ? [] : [{ name, schedule, unit, columns: found }];
}

/** The newest first. A run key that ran again counts as its last run, and a period that ran is no gap. */
function newestOfEach(placed: readonly GridEntry[]): readonly GridEntry[] {
  const atOf = ({ run, gap }: GridEntry): number => run?.createdAt ?? gap?.at ?? 0;
  const seen = new Set<string>();
  return [...placed]
    .sort((a, b) => Number(a.run === null) - Number(b.run === null) || atOf(b) - atOf(a))
    .filter(({ period, run }) => {
      if (period === null) return true;
      const key = run?.runKey ?? '';
      const known = run === null ? seen.has(period) : seen.has(`${key} `);
      seen.add(period).add(`${key} `);
      return !known;
    });
}

/** How much a state needs a person: the lowest first. */
const URGENCY: Readonly<Record<GridCell['state'], number>> = {
  failed: 0,
  missed: 1,
  paused: 3,
  due: 2,
  running: 4,
  submitted: 4,
  cancelled: 6,
  succeeded: 7,
  coming: 8,
};
const LATE_URGENCY = 5;

/** The grid. `deadlines`: those of the plan's needed jobs, ISO-8601 UTC. */
export function fillGrid(plan: GridPlan, deadlines: ReadonlyMap<string, string | null>): readonly GridBand[] {
  return plan.bands.map(({ unit, columns, places }) => {
    const rows = places.map(
      ({ name, schedule, columns: by }): GridRow => ({
        name,
        schedule,
        cells: columns.map((column) => cellOf(by.get(column) ?? [], deadlines)),
      }),
    );
    const order = new Intl.Collator('en', { numeric: true }).compare;
    const urgent = (row: GridRow): number =>
      Math.min(...row.cells.map((cell) => (cell === null ? 9 : URGENCY[cell.state])));
    const shown = rows.length <= MOST_ROWS ? rows : rows.sort((a, b) => urgent(a) - urgent(b)).slice(0, MOST_ROWS);
    return {
      unit,
      columns,
      left: rows.length - shown.length,
      rows: shown.toSorted((a, b) => order(a.name, b.name) || order(a.schedule ?? '', b.schedule ?? '')),
    };
  });
}

function cellOf(placed: readonly GridEntry[], deadlines: ReadonlyMap<string, string | null>): GridCell | null {
  const cells = placed.map((each) => singleCell(each, deadlines));
  const states: Partial<Record<GridCell['state'], number>> = {};
  for (const { state } of cells) states[state] = (states[state] ?? 0) + 1;
  const urgency = ({ state, late }: GridCell): number => Math.min(URGENCY[state], late ? LATE_URGENCY : 9);
  const [first, ...rest] = cells;
  if (first === undefined) return null;
  const worst = rest.reduce((worse, cell) => (urgency(cell) < urgency(worse) ? cell : worse), first);
  return { ...worst, states };
}

function singleCell({ period, run, gap }: GridEntry, deadlines: ReadonlyMap<string, string | null>): GridCell {
  const iso = (at: number): string => new Date(at).toISOString();
  const finishBy = run === null ? null : (deadlines.get(run.job) ?? null);
  const closedAt = run?.closedAt ?? null;
  return {
    state: run?.state ?? gap?.state ?? 'due',
    job: run?.job ?? null,
    period,
    reason: run?.reason ?? null,
    at: iso(run?.createdAt ?? gap?.at ?? 0),
    closedAt: closedAt === null ? null : iso(closedAt),
    finishBy,
    late: finishBy !== null && closedAt !== null && run?.state !== 'cancelled' && closedAt > Date.parse(finishBy),
    states: {},
  };
}
