import { type Forecast, type ForecastInput, forecast } from './forecast.ts';
import { type MachineLoad, slowdown } from './load.ts';
import type { Estimate } from './sample.ts';

/** What a whole job is expected to take, for `plan` and `rehearse`. Seconds and bytes. */
export interface Outlook extends Omit<Forecast, 'times'> {
  readonly slots: number;
  readonly seconds: Estimate;
  readonly doubled: { readonly slots: number; readonly seconds: Estimate };
  /** What it will leave in the store: outputs, and pieces of input. */
  readonly disk: Estimate;
  /** USD; null where it isn't known, as on this machine. */
  readonly cost: number | null;
  /** How many jobs it was learnt from. */
  readonly runs: number;
  /** The machine's load when it was made, where that is more than its processors: the error bars are wider for it. */
  readonly load: MachineLoad | null;
}

/** So that a plan made twice tells the same. */
const SEED = 20_261_130;

export interface OutlookInput extends Omit<ForecastInput, 'slots' | 'seed' | 'slowdown'> {
  readonly slots: number;
  /** Bytes of pieces that are cut out of the input and stored. */
  readonly pieces: number;
  /** The machine's load, the job's own workers apart. */
  readonly load: MachineLoad;
}

/** Forecasts a whole job on the slots there are, and on twice as many. */
export function outlook({ slots, pieces, load, ...input }: OutlookInput): Outlook {
  const slower = slowdown(load);
  const { times, ...made } = forecast({ ...input, slots: [slots, 2 * slots], seed: SEED, slowdown: slower });
  const none: Estimate = { low: 0, expected: 0, high: 0 };
  const { low, expected, high } = made.bytesOut;
  return {
    ...made,
    slots,
    seconds: times[0]?.seconds ?? none,
    doubled: times[1] ?? { slots: 2 * slots, seconds: none },
    disk: { low: low + pieces, expected: expected + pieces, high: high + pieces },
    cost: null,
    runs: input.runs.length,
    load: slower > 1 ? load : null,
  };
}
