import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import type { Timeline, TimelineRow } from './report.ts';
import type { GridView, Series, TimeGrid } from './time-grid.ts';

/** Rows that are shown: slots while there are so few, then workers, then bundles of workers. */
const ROWS = 64;
/** Slots kept apart; what more there are share one row, which is not shown. */
const KEPT = 4_096;
/** Bars over all rows. */
const BARS = 2_000;
/** Bars kept while nobody knows how many rows there will be. */
const HELD = 2 * BARS;

interface Row {
  readonly worker: string | null;
  readonly slot: number;
  readonly series: Series;
  bars: EndedAttempt[] | null;
  from: number;
}

/** Who ran what, when: busy time by slot, and the attempts themselves where they are few. */
export class TimelineSums {
  readonly #grid: TimeGrid;
  readonly #rows = new Map<string, Map<number, Row>>();
  #count = 0;
  #held = 0;
  /** A row with more bars than this has none. */
  #most = BARS;
  #rest: Row | null = null;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
  }

  /** An attempt, whose time the grid has reached, in `slot`. */
  add(attempt: EndedAttempt, slot: number): void {
    const { worker, startedAt } = attempt.facts;
    const row = this.#rowOf(worker, slot);
    row.from = Math.min(row.from, startedAt);
    this.#grid.cover(row.series, startedAt, attempt.end);
    if (row.bars === null) return;
    row.bars.push(attempt);
    this.#held += 1;
    if (row.bars.length > this.#most) this.#drop(row);
    if (this.#held > HELD) this.#lower();
  }

  /** The most slots of a worker that were busy at once, as far as the bins show it. */
  busiest(worker: string): number {
    const view = this.#grid.view();
    const rows = [...(this.#rows.get(worker)?.values() ?? [])];
    return view === null ? 0 : Math.max(0, ...this.#sum(rows).map((busy) => busy / view.width));
  }

  /** The rows to show; `slotsOf` says how many slots a worker had. */
  timeline(slotsOf: (worker: string) => number): Timeline {
    const view = this.#grid.view();
    if (view === null) return { from: null, seconds: 0, rows: [], hidden: 0 };
    const bundles = this.#bundles();
    const most = Math.min(this.#most, Math.floor(BARS / Math.max(1, bundles.length)));
    const rows = bundles.map(({ label, rows, slots }) => {
      const [only] = rows;
      const counted = slots ?? [...new Set(rows.map(({ worker }) => worker ?? ''))].reduce((n, w) => n + slotsOf(w), 0);
      const bars = rows.length === 1 && only !== undefined && only.bars !== null && only.bars.length <= most;
      return this.#shown(view, { label, rows, slots: Math.max(1, counted) }, bars ? (only.bars ?? []) : null);
    });
    return {
      from: new Date(view.from).toISOString(),
      seconds: (view.width * view.count) / 1_000,
      rows: rows.sort((a, b) => b.busy * b.slots - a.busy * a.slots),
      hidden: this.#rest === null ? 0 : 1,
    };
  }

  #shown(
    view: GridView,
    { label, rows, slots }: { readonly label: string; readonly rows: readonly Row[]; readonly slots: number },
    bars: readonly EndedAttempt[] | null,
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
      bars: [...(bars ?? [])]
        .sort((a, b) => a.facts.startedAt - b.facts.startedAt)
        .map(({ facts, end, outcome }) => ({
          start: (facts.startedAt - view.from) / 1_000,
          end: (end - view.from) / 1_000,
          task: `${facts.step}/${facts.task}`,
          outcome,
        })),
      shares: bars === null ? busy.map((milliseconds) => share(milliseconds, view.width)) : null,
    };
  }

  /** A slot a row; a worker a row when those are too many; else workers that came one after another together. */
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
    if (this.#count >= KEPT) {
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

  #drop(row: Row): void {
    this.#held -= row.bars?.length ?? 0;
    row.bars = null;
  }

  /** Too many bars are held in all: rows with many lose theirs first. */
  #lower(): void {
    while (this.#held > BARS) {
      this.#most = Math.floor(this.#most / 2);
      for (const slots of this.#rows.values()) {
        for (const row of slots.values()) if ((row.bars?.length ?? 0) > this.#most) this.#drop(row);
      }
    }
  }
}

const round4 = (share: number): number => Math.round(share * 10_000) / 10_000;
