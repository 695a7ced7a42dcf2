import { Big } from 'big.js';
import type { OutputMeta } from '../../model/output.ts';
import type { StepTotals } from '../totals.ts';

/** Adds up what outputs say of themselves (law 12), exactly; memory is that of the counters' names. */
export class TotalsSum {
  readonly #counters = new Map<string, Big>();
  #outputs = 0;
  #seconds = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  /** Throws what `Big` throws when a counter is no number; then nothing was added. */
  add(meta: Pick<OutputMeta, 'counters' | 'seconds' | 'bytesIn' | 'bytesOut'>): void {
    const sums = Object.entries(meta.counters).map(
      ([name, value]) => [name, (this.#counters.get(name) ?? Big(0)).plus(value)] as const,
    );
    for (const [name, sum] of sums) this.#counters.set(name, sum);
    this.#outputs += 1;
    this.#seconds += meta.seconds;
    this.#bytesIn += meta.bytesIn;
    this.#bytesOut += meta.bytesOut;
  }

  totals(): StepTotals {
    return {
      outputs: this.#outputs,
      seconds: this.#seconds,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      counters: Object.fromEntries([...this.#counters].map(([name, sum]) => [name, sum.toFixed()])),
    };
  }
}
