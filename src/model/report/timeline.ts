import type { Throughput, Timeline, TimelineRow } from '../answers/report.ts';
import type { AttemptFacts, EndedAttempt } from './attempt-facts.ts';
import type { Presence } from './worker-sums.ts';

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

interface Row {
  readonly worker: string | null;
  readonly slot: number;
  readonly series: Series;
  bars: EndedAttempt[] | null;
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
  #sample: { readonly row: Row; readonly attempt: EndedAttempt }[] = [];
  /** Each how many-th unsuccessful attempt is kept, and how many there were. */
  #stride = 1;
  #unsuccessful = 0;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
  }

  /** Adds an attempt in `slot`, whose time the grid has reached. */
  add(attempt: EndedAttempt, slot: number): void {
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

  #addToSample(row: Row, attempt: EndedAttempt): void {
    if (this.#unsuccessful % this.#stride === 0) this.#sample.push({ row, attempt });
    this.#unsuccessful += 1;
    if (this.#sample.length <= SAMPLED) return;
    this.#sample = this.#sample.filter((_, n) => n % 2 === 0);
    this.#stride *= 2;
  }

  #sampleOf(rows: readonly Row[]): readonly EndedAttempt[] {
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

/**
 * How many tasks wait, over time. A task waits from when its input exists until it starts, and between its attempts: it
 * is not the wait that a worker measured, which leaves out the tasks that have not started.
 */
export class WaitingSums {
  readonly #grid: TimeGrid;
  /** By step: first attempts begun, tasks done. */
  readonly #steps = new Map<string, { readonly begun: Series; readonly done: Series }>();
  /** Between the attempts of a task. */
  readonly #between: Series;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
    this.#between = grid.series();
  }

  /** All attempts of one task, whose times the grid has reached. */
  add(attempts: readonly EndedAttempt[]): void {
    const inOrder = [...attempts].sort((a, b) => a.facts.startedAt - b.facts.startedAt);
    const [first] = inOrder;
    if (first === undefined) return;
    const { begun, done } = this.#seriesOf(first.facts.step);
    this.#grid.add(begun, first.facts.startedAt, 1);
    for (const [n, { outcome, end, facts }] of inOrder.entries()) {
      if (outcome === 'done') this.#grid.add(done, end, 1);
      const before = inOrder[n - 1];
      if (before === undefined || facts.startedAt <= before.end) continue;
      // One that failed for good waits only since it was retried.
      const asked = facts.startedAt - (facts.waitSeconds ?? 0) * 1_000;
      const from = before.facts.round === facts.round ? before.end : Math.max(before.end, asked);
      this.#grid.addSpan(this.#between, from, facts.startedAt);
    }
  }

  /** Milliseconds that tasks waited in each bin. `steps`: in order, and how each gets its tasks. */
  waiting(steps: readonly WaitingStep[]): readonly number[] {
    const view = this.#grid.view();
    const sums = this.#grid.values(this.#between);
    if (view === null) return sums;
    let before: readonly number[] = [];
    for (const { name, tasks, from } of steps) {
      const { begun, done } = this.#seriesOf(name);
      const started = runningTotals(this.#grid.values(begun));
      const end = before.at(-1) ?? 0;
      for (const [at, count] of started.entries()) {
        const made = before[at] ?? 0;
        const there = from === 'start' ? tasks : from === 'each' ? made : made >= end ? tasks : 0;
        sums[at] = (sums[at] ?? 0) + Math.max(0, there - count) * view.width;
      }
      before = runningTotals(this.#grid.values(done));
    }
    return sums;
  }

  #seriesOf(step: string): { readonly begun: Series; readonly done: Series } {
    const known = this.#steps.get(step);
    if (known !== undefined) return known;
    const made = { begun: this.#grid.series(), done: this.#grid.series() };
    this.#steps.set(step, made);
    return made;
  }
}

/** A step whose tasks wait: all from the start, each for its own in the step before, or for all of these. */
export interface WaitingStep {
  readonly name: string;
  /** Tasks that were, or are still, to run. */
  readonly tasks: number;
  readonly from: 'start' | 'each' | 'all';
}

function runningTotals(values: readonly number[]): readonly number[] {
  let sum = 0;
  return values.map((value) => {
    sum += value;
    return sum;
  });
}

/** With a handful of attempts per bin, a line over them doesn't alternate between ones and zeros. */
const ATTEMPTS_A_BIN = 6;

const FEWEST_BINS = 24;

/** What ended when, and how much ran at once. */
export class ThroughputSums {
  readonly #grid: TimeGrid;
  readonly #ended: Readonly<Record<Exclude<AttemptFacts['outcome'], 'running'>, Series>>;
  readonly #running: Series;
  readonly #slots: Series;
  #attempts = 0;

  constructor(grid: TimeGrid) {
    this.#grid = grid;
    this.#ended = {
      done: grid.series(),
      failedAttempt: grid.series(),
      failed: grid.series(),
      interrupted: grid.series(),
    };
    this.#running = grid.series();
    this.#slots = grid.series();
  }

  /** Adds an attempt, whose time the grid has reached. */
  add({ facts, outcome, end }: EndedAttempt): void {
    this.#attempts += 1;
    this.#grid.addSpan(this.#running, facts.startedAt, end);
    if (outcome !== 'running') this.#grid.add(this.#ended[outcome], end, 1);
  }

  /** The result; `presences` are those of its workers, within `span`: from the first start to the last end. */
  throughput(presences: readonly Presence[], span: Pick<Presence, 'from' | 'to'>): Throughput {
    for (const { from, to, slots } of presences) this.#grid.addSpan(this.#slots, from, to, slots);
    const most = Math.max(FEWEST_BINS, Math.floor(this.#attempts / ATTEMPTS_A_BIN));
    const view = this.#grid.view(most);
    if (view === null) return { from: null, seconds: 0, bins: [] };
    const of = (series: Series): readonly number[] => this.#grid.values(series, most);
    const [done, retried] = [of(this.#ended.done), of(this.#ended.failedAttempt)];
    const [failed, interrupted] = [of(this.#ended.failed), of(this.#ended.interrupted)];
    const slots = of(this.#slots);
    // The first and the last bin are only partly within the time in which anything ran.
    const within = (at: number): number =>
      Math.min(span.to, view.from + (at + 1) * view.width) - Math.max(span.from, view.from + at * view.width);
    return {
      from: new Date(view.from).toISOString(),
      seconds: view.width / 1_000,
      bins: of(this.#running).map((milliseconds, at) => ({
        done: done[at] ?? 0,
        retried: retried[at] ?? 0,
        failed: failed[at] ?? 0,
        interrupted: interrupted[at] ?? 0,
        running: hundredths(milliseconds / view.width),
        slots: within(at) <= 0 ? 0 : hundredths((slots[at] ?? 0) / within(at)),
      })),
    };
  }
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;

/** Maximum number of bins before they are joined in pairs; at most `SHOWN` are shown. */
const BINS = 960;

const SHOWN = 240;

/** A series' values in each shown bin. */
interface GridView {
  /** Milliseconds since the epoch: the start of the first bin, at or just before the first instant. */
  readonly from: number;
  /** A bin's width, milliseconds. */
  readonly width: number;
  readonly count: number;
}

/** One sum per bin, on the grid that made it. */
type Series = Float64Array;

/**
 * Bins over time for events in any order and of unknown total length: the width doubles whenever there would be too
 * many bins. No value is ever split between bins by estimate, so a sum over the shown bins is the sum of what was
 * added.
 */
export class TimeGrid {
  readonly #series: Series[] = [];
  #width = 1;
  /** Bins are numbered from the epoch; a bin is at index number modulo `BINS`. */
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  series(): Series {
    const made = new Float64Array(BINS);
    this.#series.push(made);
    return made;
  }

  /** Makes room for a span of time, milliseconds since the epoch, before anything is added to it. */
  makeRoom(from: number, to: number): void {
    for (;;) {
      const first = Math.min(this.#first, Math.floor(from / this.#width));
      const last = Math.max(this.#last, Math.floor(to / this.#width));
      if (last - first < BINS) {
        this.#first = first;
        this.#last = last;
        return;
      }
      this.#coarsen();
    }
  }

  add(series: Series, at: number, amount: number): void {
    const place = Math.floor(at / this.#width) % BINS;
    series[place] = (series[place] ?? 0) + amount;
  }

  /** Adds the milliseconds from `from` to `to`, times `weight`, to their bins. */
  addSpan(series: Series, from: number, to: number, weight = 1): void {
    const width = this.#width;
    const last = Math.floor(to / width);
    for (let bin = Math.floor(from / width); bin <= last; bin += 1) {
      const covered = Math.min(to, (bin + 1) * width) - Math.max(from, bin * width);
      const place = bin % BINS;
      series[place] = (series[place] ?? 0) + covered * weight;
    }
  }

  /** The bins to show, at most `most`; null if nothing was reached. */
  view(most = SHOWN): GridView | null {
    if (this.#last < this.#first) return null;
    const count = this.#last - this.#first + 1;
    const joined = Math.ceil(count / Math.min(most, SHOWN));
    return { from: this.#first * this.#width, width: joined * this.#width, count: Math.ceil(count / joined) };
  }

  /** A series' sums over the bins of `view` with the same `most`. */
  values(series: Series, most = SHOWN): number[] {
    const shown = this.view(most);
    if (shown === null) return [];
    const joined = shown.width / this.#width;
    const values = new Array<number>(shown.count).fill(0);
    for (let bin = this.#first; bin <= this.#last; bin += 1) {
      const at = Math.floor((bin - this.#first) / joined);
      values[at] = (values[at] ?? 0) + (series[bin % BINS] ?? 0);
    }
    return values;
  }

  /** Joins bins in pairs; their content keeps its place in time. */
  #coarsen(): void {
    for (const series of this.#series) {
      const before = series.slice();
      series.fill(0);
      for (let bin = this.#first; bin <= this.#last; bin += 1) {
        const to = Math.floor(bin / 2) % BINS;
        series[to] = (series[to] ?? 0) + (before[bin % BINS] ?? 0);
      }
    }
    this.#width *= 2;
    this.#first = Math.floor(this.#first / 2);
    this.#last = Math.floor(this.#last / 2);
  }
}
