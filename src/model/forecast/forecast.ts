import type { FORECAST } from '../answers/plan.ts';
import type { Value } from '../answers/shapes.ts';
import { type JobSpec, sectionStart, takesFiles } from '../job.ts';
import type { PartSizes } from './part-sizes.ts';
import {
  drawOne,
  drawStep,
  type Estimate,
  type Observation,
  partsSection,
  pickOne,
  plainSection,
  type Random,
  randomNormal,
  resample,
  type SampleRun,
  type SectionSize,
  type StepDraw,
  seededRandom,
} from './section.ts';
import { type ScheduledStep, sectionSeconds } from './slot-schedule.ts';

/** The forecast for a whole job, in `plan` and `rehearse`. Seconds and bytes. */
export type JobForecast = Value<typeof FORECAST>;

/** Fixed, so that repeating a plan gives the same result. */
const SEED = 20_261_130;

interface JobForecastInput extends Omit<ForecastInput, 'slots' | 'seed' | 'slowdown'> {
  readonly slots: number;
  /** Bytes of pieces cut from the input and stored. */
  readonly pieces: number;
  /** The machine's load without the job's own workers. */
  readonly load: MachineLoad;
}

/** Forecasts a whole job on the existing slots, and on twice as many. */
export function forecastJob({ slots, pieces, load, ...input }: JobForecastInput): JobForecast {
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

interface ForecastInput {
  readonly spec: Pick<JobSpec, 'steps' | 'maxRunning'>;
  /** The parts of the whole input. */
  readonly parts: PartSizes;
  /** The observed jobs, newest first; at least one. */
  readonly runs: readonly SampleRun[];
  /** The numbers of slots to compute a time for. */
  readonly slots: readonly number[];
  readonly seed: number;
  /** How much slower tasks may have been because the machine was busy (1: no slower): it widens the error. */
  readonly slowdown?: number;
}

/** The forecast for a whole job. Steps that no run has reached are `unseen`, and not counted. */
export interface Forecast
  extends Pick<JobForecast, 'tasks' | 'bytesIn' | 'bytesOut' | 'cpuSeconds' | 'peakMemory' | 'steps' | 'unseen'> {
  readonly times: readonly { readonly slots: number; readonly seconds: Estimate }[];
}

const DRAWS = 300;

/** The variation between whole runs: the standard deviation of its logarithm. */
const DRIFT = 0.1;

/** One draw: a possible outcome of the whole. */
interface RunDraw {
  readonly seconds: readonly number[];
  readonly steps: readonly (StepDraw & { readonly tasks: number })[];
}

/**
 * Forecasts a whole job from observed tasks, by drawing some hundred runs of it: tasks are resampled with replacement,
 * scaled to the sizes of the real parts, and scheduled on the slots. The differences between the draws are the error.
 * The same seed gives the same result.
 */
export function forecast(input: ForecastInput): Forecast {
  const random = seededRandom(input.seed);
  const draws = Array.from({ length: DRAWS }, () => drawRun(input, random));
  const over = (of: (drawn: RunDraw) => number): Estimate => estimateOf(draws.map(of));
  const sum = (of: (step: RunDraw['steps'][number]) => number): Estimate =>
    over(({ steps }) => steps.reduce((total, step) => total + of(step), 0));
  const { steps } = input.spec;
  const seen = (index: number): boolean => observed(input.runs, index).length > 0;
  const all = (of: (step: StepDraw) => number | null): boolean =>
    draws.every((drawn) => drawn.steps.every((step) => of(step) !== null));
  return {
    times: input.slots.map((slots, at) => ({ slots, seconds: over(({ seconds }) => seconds[at] ?? 0) })),
    tasks: sum(({ tasks }) => tasks),
    bytesIn: sum(({ bytesIn }) => bytesIn),
    bytesOut: sum(({ bytesOut }) => bytesOut),
    cpuSeconds: all(({ cpuSeconds }) => cpuSeconds) ? sum(({ cpuSeconds }) => cpuSeconds ?? 0) : null,
    peakMemory: all(({ peakMemory }) => peakMemory)
      ? over((drawn) => drawn.steps.reduce((most, { peakMemory }) => Math.max(most, peakMemory ?? 0), 0))
      : null,
    steps: steps.flatMap(({ name }, index) => {
      if (!seen(index)) return [];
      const of = (value: (step: RunDraw['steps'][number]) => number): Estimate =>
        over((drawn) => {
          const step = drawn.steps[index];
          return step === undefined ? 0 : value(step);
        });
      const taskSeconds = of(({ work, tasks }) => (tasks === 0 ? 0 : work / tasks));
      return [{ name, tasks: of(({ tasks }) => tasks), taskSeconds, bytesOut: of(({ bytesOut }) => bytesOut) }];
    }),
    unseen: steps.flatMap(({ name }, index) => (seen(index) ? [] : [name])),
  };
}

const EMPTY_DRAW: StepDraw = {
  seconds: new Float64Array(),
  scheduled: 0,
  work: 0,
  bytesIn: 0,
  bytesOut: 0,
  files: 0,
  cpuSeconds: 0,
  peakMemory: 0,
};

function drawRun({ spec, parts, runs, slots, slowdown = 1 }: ForecastInput, random: Random): RunDraw {
  const some = resample(runs, random);
  // Two standard deviations cover the slowdown that tasks may have had, or may have.
  const drift = Math.exp(Math.hypot(DRIFT, Math.log(slowdown) / 2) * randomNormal(random));
  const overhead = pickOne(runs, random);
  const times = slots.map(() => overhead.before + overhead.after);
  const drawn: RunDraw['steps'][number][] = [];
  for (let start = 0; start < spec.steps.length; ) {
    const kind = start === 0 ? 'parts' : takesFiles(spec.steps, start) ? 'files' : 'one';
    const size =
      kind === 'parts' ? partsSection(parts, random) : plainSection(kind === 'one' ? 1 : (drawn.at(-1)?.files ?? 0));
    const from = start;
    for (; start < spec.steps.length && sectionStart(spec.steps, start) === from; start += 1) {
      const seen = observed(some, start);
      const draw =
        seen.length === 0 || size.count === 0
          ? EMPTY_DRAW
          : kind === 'one'
            ? drawOneOf(seen, drawn.at(-1), { random, drift })
            : drawStep(seen, size, { random, drift, sized: kind === 'parts' && parts.bytes > 0 });
      drawn.push({ ...draw, tasks: seen.length === 0 ? 0 : size.count });
    }
    for (const [at, count] of slots.entries())
      times[at] = (times[at] ?? 0) + secondsOf(spec, from, drawn.slice(from), size, count);
  }
  return { seconds: times, steps: drawn };
}

function drawOneOf(
  seen: readonly Observation[],
  before: StepDraw | undefined,
  options: { readonly random: Random; readonly drift: number },
): StepDraw {
  const one = pickOne(seen, options.random);
  const grown = one.bytesIn > 0 && before !== undefined ? before.bytesOut / one.bytesIn : 1;
  return drawOne(one, grown, options);
}

function secondsOf(
  { steps, maxRunning }: ForecastInput['spec'],
  from: number,
  draws: readonly StepDraw[],
  size: SectionSize,
  slots: number,
): number {
  const most = Math.min(slots, maxRunning ?? slots);
  const wide = (index: number): number => {
    const needs = steps[from + index]?.needs.slots ?? 1;
    return needs === 'all' ? most : Math.min(most, needs);
  };
  const scheduled = draws.flatMap(({ seconds }, index): ScheduledStep[] =>
    seconds.length === 0 ? [] : [{ seconds, slots: wide(index), most: steps[from + index]?.maxRunning ?? slots }],
  );
  if (scheduled.length === 0) return 0;
  const limits = draws.map(
    ({ work }, index) => work / Math.max(1, steps[from + index]?.maxRunning ?? Number.POSITIVE_INFINITY),
  );
  // Tasks beyond the scheduled ones keep all slots busy first.
  const rest =
    size.count === size.sizes.length
      ? 0
      : draws.reduce((sum, draw, index) => sum + Math.max(0, draw.work - draw.scheduled) * wide(index), 0);
  return Math.max(sectionSeconds(scheduled, most, rest / most), ...limits);
}

function observed(runs: readonly SampleRun[], index: number): readonly Observation[] {
  return runs.flatMap(({ steps }) => steps[index] ?? []);
}

/** How busy a machine is: the average number of runnable processes (over a minute), and its processors. */
export type MachineLoad = NonNullable<JobForecast['load']>;

/** The slowdown is capped here. */
const MAX_SLOWDOWN = 10;

/** The factor by which a task may be slower there: 1 while every process has a processor. */
function slowdown({ average, cores }: MachineLoad): number {
  return Math.min(MAX_SLOWDOWN, Math.max(1, average / cores));
}

/** The median and both ends of the draws; all 0 if there are none. */
function estimateOf(draws: readonly number[]): Estimate {
  const sorted = [...draws].sort((a, b) => a - b);
  return { low: quantile(sorted, 0.1), expected: quantile(sorted, 0.5), high: quantile(sorted, 0.9) };
}

function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return below + (above - below) * (at - Math.floor(at));
}
