import { type Random, randomNormal, seededRandom } from '../../src/model/forecast/section.ts';
import { inTurn, recorded } from './recorded.ts';

/** A job as the simulator plays it. */
export interface Job {
  readonly name: string;
  /** When it is submitted, in seconds from the start. */
  readonly at: number;
  /** Seconds after submission by which it should end; null without a deadline. */
  readonly within: number | null;
  readonly tasks: number;
  /** The seconds of each unit. A unit is `unit` tasks, run one after the other. */
  readonly units: Float64Array;
  readonly unit: number;
  /** Seconds of the longest task. */
  readonly longest: number;
  /** Mean seconds per task of an earlier run, and their standard deviation; null without one. */
  readonly earlier: { readonly mean: number; readonly deviation: number } | null;
}

export interface Workload {
  readonly name: string;
  readonly jobs: readonly Job[];
  readonly slots: number;
  readonly max: number;
  /** A period in which EC2 reclaims spot instances. `life`: mean seconds that an instance lives. */
  readonly storm: { readonly from: number; readonly until: number; readonly life: number } | null;
  /** A period without spot capacity: launches fail and are retried every minute. Null: spot is always available. */
  readonly dry: { readonly from: number; readonly until: number } | null;
  /** Approximate seconds of a boot. */
  readonly boot: number;
  /** Mean seconds per task for which target tracking's metric was configured. */
  readonly tuned: number;
}

/** The duration of a task, in seconds. */
export type Draw = (random: Random) => number;

export const lognormal =
  (mean: number, sigma: number): Draw =>
  (random) =>
    mean * Math.exp(sigma * randomNormal(random) - sigma ** 2 / 2);

/** Pareto from `least` on, with the tail cut off at `most`. */
export const pareto =
  (least: number, shape: number, most: number): Draw =>
  (random) =>
    Math.min(most, least / (1 - random()) ** (1 / shape));

/** One task in `oneIn` takes `times` as long. */
export const withSlow =
  (draw: Draw, oneIn: number, times: number): Draw =>
  (random) =>
    draw(random) * (random() * oneIn < 1 ? times : 1);

interface JobPlan {
  readonly name?: string;
  readonly at?: number;
  readonly within?: number;
  readonly tasks: number;
  readonly draw: Draw;
  readonly unit?: number;
  readonly earlier?: number;
}

export function jobOf({ name = 'job', at = 0, within, tasks, draw, unit = 1, earlier }: JobPlan, seed: number): Job {
  const random = seededRandom(seed);
  const units = new Float64Array(Math.ceil(tasks / unit));
  let [longest, sum, squares] = [0, 0, 0];
  for (let n = 0; n < tasks; n += 1) {
    const seconds = draw(random);
    longest = Math.max(longest, seconds);
    sum += seconds;
    squares += seconds ** 2;
    const of = Math.floor(n / unit);
    units[of] = (units[of] ?? 0) + seconds;
  }
  // The deviation of an earlier run is proportional to its mean.
  const relative = Math.sqrt(Math.max(0, (squares * tasks) / sum ** 2 - 1));
  const before = earlier === undefined ? null : { mean: earlier, deviation: relative * earlier };
  return { name, at, tasks, units, unit, longest, within: within ?? null, earlier: before };
}

const HOUR = 3_600;
export const SLOTS = { slots: 2, max: 400, storm: null, dry: null, boot: 90, tuned: 60 };

/** The named workloads, the same each time. `scale` 1 is the full size. */
export function workloads(scale: number): readonly Workload[] {
  const n = (tasks: number): number => Math.max(10, Math.round(tasks * scale));
  const of = (name: string, plans: readonly JobPlan[], more: Partial<Omit<Workload, 'jobs'>> = {}): Workload => {
    let jobs: readonly Job[] | null = null;
    return {
      name,
      ...SLOTS,
      ...more,
      // Drawn when they are first needed: ten million tasks take a second, and a caller may want others.
      get jobs() {
        jobs ??= plans.map((plan, index) => jobOf(plan, 1_000 * index + name.length));
        return jobs;
      },
    };
  };
  const usual = lognormal(60, 0.5);
  const mails = recorded('mails');
  const asRecorded = { tasks: n(mails.seconds.length), earlier: mails.earlier };
  return [
    of('month end, due in 6 h', [{ tasks: n(20_000), draw: usual, within: 6 * HOUR, earlier: 60 }]),
    of('month end, due in 25 min', [{ tasks: n(4_000), draw: usual, within: 25 * 60, earlier: 60 }]),
    of('month end, no deadline', [{ tasks: n(8_000), draw: usual, earlier: 60 }]),
    of('long tail, due in 4 h', [{ tasks: n(10_000), draw: pareto(20, 1.5, 2 * HOUR), within: 4 * HOUR, earlier: 58 }]),
    of('1 in 50 takes 20 times, due in 2 h', [
      { tasks: n(5_000), draw: withSlow(usual, 50, 20), within: 2 * HOUR, earlier: 83 },
    ]),
    of(
      'interruption storm, due in 3 h',
      [{ tasks: n(6_000), draw: lognormal(300, 0.5), within: 3 * HOUR, earlier: 300 }],
      { storm: { from: 30 * 60, until: 90 * 60, life: 40 * 60 }, tuned: 300 },
    ),
    of(
      'boots take 8 min, the second job due in 20 min',
      [
        { name: 'first', tasks: n(2_000), draw: usual, within: 3 * HOUR, earlier: 60 },
        { name: 'second', at: 4 * HOUR, tasks: n(3_000), draw: usual, within: 20 * 60, earlier: 60 },
      ],
      { boot: 480 },
    ),
    of('spot runs dry, due in 3 h', [{ tasks: n(6_000), draw: lognormal(60, 0.5), within: 3 * HOUR, earlier: 60 }], {
      max: 60,
      storm: { from: 30 * 60, until: 60 * 60, life: 15 * 60 },
      dry: { from: 30 * 60, until: 12 * HOUR },
    }),
    of(
      'estimate 6 times too short, due in 3 h',
      [{ tasks: n(5_000), draw: lognormal(120, 0.5), within: 3 * HOUR, earlier: 20 }],
      { tuned: 20 },
    ),
    of(
      'estimate 6 times too long, due in 3 h',
      [{ tasks: n(5_000), draw: lognormal(60, 0.5), within: 3 * HOUR, earlier: 360 }],
      { tuned: 360 },
    ),
    of('nothing known, due in 3 h', [{ tasks: n(5_000), draw: lognormal(120, 0.5), within: 3 * HOUR }]),
    of(
      'ten jobs, one each hour',
      Array.from({ length: 10 }, (_, hour) => {
        return { name: `job ${hour}`, at: hour * HOUR, tasks: n(600), draw: usual, earlier: 60 };
      }),
    ),
    of('recorded: mails, due in 30 min', [{ ...asRecorded, draw: inTurn(mails.seconds), within: HOUR / 2 }], {
      tuned: mails.earlier,
    }),
    of('recorded: mails, no deadline', [{ ...asRecorded, draw: inTurn(mails.seconds) }], { tuned: mails.earlier }),
    of(
      '10 million tasks, due in 10 h',
      [{ tasks: n(10_000_000), draw: lognormal(2, 0.5), within: 10 * HOUR, unit: 100, earlier: 2 }],
      { slots: 8, tuned: 2 },
    ),
  ];
}
