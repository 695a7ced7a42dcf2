/** Maximum number of bins before they are joined in pairs; at most `SHOWN` are shown. */
const BINS = 960;

const SHOWN = 240;

/** A series' values in each shown bin. */
export interface GridView {
  /** Milliseconds since the epoch: the start of the first bin, at or just before the first instant. */
  readonly from: number;
  /** A bin's width, milliseconds. */
  readonly width: number;
  readonly count: number;
}

/** One sum per bin, on the grid that made it. */
export type Series = Float64Array;

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

/** A mean over a bin, as it is shown. */
export const hundredths = (value: number): number => Math.round(value * 100) / 100;
