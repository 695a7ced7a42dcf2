import { formatRate } from './format.ts';

type Counters = Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Counted {
  readonly counters: Counters;
  readonly steps: readonly { readonly name: string; readonly running: number }[];
}

/** Milliseconds over which a rate is taken: long enough for a task of half a minute to show. */
const WINDOW_MS = 60_000;

/** How fast the counters of running steps grow, from what was seen in the last minute. */
export class CounterPace {
  /** Oldest first; the first is the newest that is at least a window old, if there is one. */
  #seen: { readonly at: number; readonly counters: Counters }[] = [];

  /** Texts such as `encode: frames 94/s, seconds 3.8/s`; none for steps whose counters did not grow. `now` in milliseconds. */
  take({ counters, steps }: Counted, now: number): readonly string[] {
    while (this.#seen.length > 1 && now - (this.#seen[1]?.at ?? now) >= WINDOW_MS) this.#seen.shift();
    this.#seen.push({ at: now, counters });
    const [oldest] = this.#seen;
    if (oldest === undefined || now - oldest.at < 1_000) return [];
    const seconds = (now - oldest.at) / 1_000;
    return steps
      .filter(({ running }) => running > 0)
      .flatMap(({ name }) => {
        const rates = Object.entries(counters[name] ?? {}).flatMap(([counter, value]) => {
          const rate = (Number(value) - Number(oldest.counters[name]?.[counter] ?? 0)) / seconds;
          return rate > 0 && Number.isFinite(rate) ? `${counter} ${formatRate(rate)}` : [];
        });
        return rates.length === 0 ? [] : `${name}: ${rates.join(', ')}`;
      });
  }
}
