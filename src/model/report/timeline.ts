import type { Timeline, TimelineRow } from '../answers/report.ts';
import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import { type GridView, hundredths, type Series, type TimeGrid } from './time-grid.ts';

/** Rows shown: slots if there are at most this many, then workers, then groups of workers. */
const ROWS = 64;

/** Slots kept apart; all further ones share one row, which is not shown. */
const MAX_SLOT_ROWS = 4_096;

/** Bars over all rows. */
const BARS = 2_000;

/** Bars kept while the number of rows is unknown. */
const MAX_HELD_BARS = 2 * BARS;

/** Unsuccessful attempts kept for rows that have no bars: every one, or every second, every fourth... */
const SAMPLED = 1_000;

/** An attempt as it is shown: a failure for good that was answered since (a retry, a skip, an output) is superseded. */
interface ShownAttempt extends Omit<EndedAttempt, 'outcome'> {
  readonly outcome: TimelineRow['bars'][number]['outcome'];
}

interface Row {
  readonly worker: string | null;
  readonly slot: number;
  readonly series: Series;
  bars: ShownAttempt[] | null;
  from: number;
}

/** Which worker ran what, and when: busy time by slot, and the attempts themselves if they are few. */
export class TimelineSums {
  readonly #grid: TimeGrid;
  readonly #rows = new Map<string, Map<number, Row>>();
  #count = 0;
  #held = 0;
  /** A row with more bars than this has none. */
  #maxBars = BARS;
  #rest: Row | null = null;
  #sample: { readonly row: Row; readonly attempt: ShownAttempt }[] = [];
  /** Each how many-th unsuccessful attempt is kept, and how many there were. */
  #stride = 1;
  #unsuccessful = 0;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
  }

  /** Adds an attempt in `slot`, whose time the grid has reached. */
  add(attempt: ShownAttempt, slot: number): void {
    const { worker, startedAt } = attempt.facts;
    const row = this.#rowOf(worker, slot);
    row.from = Math.min(row.from, startedAt);
    this.#grid.addSpan(row.series, startedAt, attempt.end);
    if (attempt.outcome !== 'done' && attempt.outcome !== 'running') this.#addToSample(row, attempt);
    if (row.bars === null) return;
    row.bars.push(attempt);
    this.#held += 1;
    if (row.bars.length > this.#maxBars) this.#drop(row);
    if (this.#held > MAX_HELD_BARS) this.#dropLongestRows();
  }

  /** The maximum number of a worker's slots that were busy at once, as far as the bins show it. */
  busiest(worker: string): number {
    const view = this.#grid.view();
    const rows = [...(this.#rows.get(worker)?.values() ?? [])];
    return view === null ? 0 : Math.max(0, ...this.#sum(rows).map((busy) => busy / view.width));
  }

  /** The rows to show. `slotsOf` returns a worker's slots, `waiting` the milliseconds that tasks waited in each bin. */
  timeline(slotsOf: (worker: string) => number, waiting: readonly number[] = []): Timeline {
    const view = this.#grid.view();
    if (view === null) return { from: null, seconds: 0, rows: [], hidden: 0, sampled: 1, waiting: [] };
    const bundles = this.#bundles();
    const most = Math.min(this.#maxBars, Math.floor(BARS / Math.max(1, bundles.length)));
    const rows = bundles.map(({ label, rows, slots }) => {
      const [only] = rows;
      const counted = slots ?? [...new Set(rows.map(({ worker }) => worker ?? ''))].reduce((n, w) => n + slotsOf(w), 0);
      const bars = rows.length === 1 && only !== undefined && only.bars !== null && only.bars.length <= most;
      return this.#timelineRow(view, { label, rows, slots: Math.max(1, counted) }, bars ? (only.bars ?? []) : null);
    });
    return {
      from: new Date(view.from).toISOString(),
      seconds: (view.width * view.count) / 1_000,
      rows: rows.sort((a, b) => b.busy * b.slots - a.busy * a.slots),
      hidden: this.#rest === null ? 0 : 1,
      sampled: rows.some(({ shares }) => shares !== null) ? this.#stride : 1,
      waiting: waiting.map((milliseconds) => hundredths(milliseconds / view.width)),
    };
  }

  #timelineRow(
    view: GridView,
    { label, rows, slots }: { readonly label: string; readonly rows: readonly Row[]; readonly slots: number },
    bars: readonly ShownAttempt[] | null,
  ): TimelineRow {
    const busy = this.#sum(rows);
    const workers = new Set(rows.map(({ worker }) => worker));
    const share = (milliseconds: number, of: number): number => Math.min(1, round4(milliseconds / (of * slots)));
    return {
      label,
      worker: workers.size === 1 ? (rows[0]?.worker ?? null) : null,
      slots,
      busy: share(
        busy.reduce((sum, each) => sum + each, 0),
        view.width * view.count,
      ),
      bars: [...(bars ?? this.#sampleOf(rows))]
        .sort((a, b) => a.facts.startedAt - b.facts.startedAt)
        .map(({ facts, end, outcome }) => ({
          start: (facts.startedAt - view.from) / 1_000,
          end: (end - view.from) / 1_000,
          task: `${facts.step}/${facts.task}`,
          outcome,
          attempt: facts.number,
          reason: facts.reason,
          exitCode: facts.exitCode,
        })),
      shares: bars === null ? busy.map((milliseconds) => share(milliseconds, view.width)) : null,
    };
  }

  /** A row per slot; if those are too many, per worker; else groups of workers that started after one another. */
  #bundles(): readonly { readonly label: string; readonly rows: readonly Row[]; readonly slots: number | null }[] {
    const workers = [...this.#rows].map(([worker, slots]) => ({
      worker,
      rows: [...slots.values()].sort((a, b) => a.slot - b.slot),
    }));
    if (this.#count <= ROWS) {
      return workers.flatMap(({ worker, rows }) =>
        rows.map((row) => ({ label: `${worker} slot ${row.slot}`, rows: [row], slots: 1 })),
      );
    }
    if (workers.length <= ROWS) return workers.map(({ worker, rows }) => ({ label: worker, rows, slots: null }));
    const began = (rows: readonly Row[]): number => Math.min(...rows.map(({ from }) => from));
    workers.sort((a, b) => began(a.rows) - began(b.rows));
    const size = Math.ceil(workers.length / ROWS);
    return Array.from({ length: Math.ceil(workers.length / size) }, (_, n) => {
      const together = workers.slice(n * size, (n + 1) * size);
      const first = n * size + 1;
      const label = `workers ${first} to ${first + together.length - 1}`;
      return { label, rows: together.flatMap(({ rows }) => rows), slots: null };
    });
  }

  #sum(rows: readonly Row[]): number[] {
    const [first, ...others] = rows.map(({ series }) => this.#grid.values(series));
    const sum = first ?? [];
    for (const values of others) for (const [at, value] of values.entries()) sum[at] = (sum[at] ?? 0) + value;
    return sum;
  }

  #rowOf(worker: AttemptFacts['worker'], slot: number): Row {
    let slots = this.#rows.get(worker);
    const known = slots?.get(slot);
    if (known !== undefined) return known;
    if (this.#count >= MAX_SLOT_ROWS) {
      this.#rest ??= { worker: null, slot: 0, series: this.#grid.series(), bars: null, from: Number.POSITIVE_INFINITY };
      return this.#rest;
    }
    const row = { worker, slot, series: this.#grid.series(), bars: [], from: Number.POSITIVE_INFINITY };
    if (slots === undefined) {
      slots = new Map();
      this.#rows.set(worker, slots);
    }
    slots.set(slot, row);
    this.#count += 1;
    return row;
  }

  #addToSample(row: Row, attempt: ShownAttempt): void {
    if (this.#unsuccessful % this.#stride === 0) this.#sample.push({ row, attempt });
    this.#unsuccessful += 1;
    if (this.#sample.length <= SAMPLED) return;
    this.#sample = this.#sample.filter((_, n) => n % 2 === 0);
    this.#stride *= 2;
  }

  #sampleOf(rows: readonly Row[]): readonly ShownAttempt[] {
    return this.#sample.filter(({ row }) => rows.includes(row)).map(({ attempt }) => attempt);
  }

  #drop(row: Row): void {
    this.#held -= row.bars?.length ?? 0;
    row.bars = null;
  }

  /** Too many bars are held in all: rows with many lose theirs first. */
  #dropLongestRows(): void {
    while (this.#held > BARS) {
      this.#maxBars = Math.floor(this.#maxBars / 2);
      for (const slots of this.#rows.values()) {
        for (const row of slots.values()) if ((row.bars?.length ?? 0) > this.#maxBars) this.#drop(row);
      }
    }
  }
}

const round4 = (share: number): number => Math.round(share * 10_000) / 10_000;
