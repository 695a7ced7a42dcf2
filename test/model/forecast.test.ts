// Protects: a forecast from a sample has honest error bars, and names the steps that the sample did not reach.
import { expect } from 'chai';
import { parseJobFile } from '../../src/jobs/spec/job-file.ts';
import { type Forecast, forecast, forecastJob, type JobForecast } from '../../src/model/forecast/forecast.ts';
import { PartSizes } from '../../src/model/forecast/part-sizes.ts';
import {
  fitSizes,
  type Observation,
  type Random,
  randomNormal,
  type SampleRun,
  seededRandom,
} from '../../src/model/forecast/section.ts';
import { sectionSeconds } from '../../src/model/forecast/slot-schedule.ts';
import type { JobSpec } from '../../src/model/job.ts';
import { chooseParts } from '../../src/model/rehearsal.ts';

const PARTS = 400;
const SLOTS = 4;
const SAMPLE = 20;

const observation = (task: number, seconds: number, fields: Partial<Observation> = {}): Observation => ({
  task,
  size: 0,
  seconds,
  bytesIn: 0,
  bytesOut: 0,
  cpuSeconds: null,
  peakMemory: null,
  files: null,
  ...fields,
});

const runOf = (...steps: readonly (readonly Observation[])[]): SampleRun => ({
  steps,
  bytesIn: 0,
  before: 0,
  after: 0,
});

function sizesOf(sizes: Iterable<number>): PartSizes {
  const parts = new PartSizes();
  for (const size of sizes) parts.add(size);
  return parts;
}

/** For how many of a hundred random jobs the truth lies within the forecast's error bars. */
function coverage(draw: (random: Random) => { readonly size: number; readonly seconds: number }): number {
  let within = 0;
  for (let trial = 0; trial < 100; trial += 1) {
    const random = seededRandom(1_000 + trial);
    const tasks = Array.from({ length: PARTS }, () => draw(random));
    const parts = sizesOf(tasks.map(({ size }) => size));
    const seen = chooseParts(PARTS, SAMPLE, parts.largest).map((n) => {
      const { size, seconds } = tasks[n] ?? { size: 0, seconds: 0 };
      return observation(n, seconds, { size });
    });
    const [time] = forecast({ ...base, parts, runs: [runOf(seen)], seed: trial }).times;
    // The whole job runs on another day, which is a few percent faster or slower.
    const day = Math.exp(0.1 * randomNormal(random));
    const seconds = Float64Array.from(tasks, (task) => task.seconds * day);
    const truth = sectionSeconds([{ seconds, slots: 1, most: SLOTS }], SLOTS);
    if (time !== undefined && truth >= time.seconds.low && truth <= time.seconds.high) within += 1;
  }
  return within;
}

function specOf(steps: readonly object[]): JobSpec {
  const file = {
    name: 'job',
    input: { from: 'a', split: { by: 'file' } },
    steps: steps.map((step) => ({ run: ['cat'], ...step })),
  };
  return parseJobFile(JSON.stringify(file), { file: 'job.json' });
}

const spec = specOf([{ name: 'work' }]);
const base = { spec, slots: [SLOTS], seed: 1 };

describe('a forecast', () => {
  it('covers the truth about as often as its error bars say, for similar tasks', () => {
    expect(coverage((random) => ({ size: 0, seconds: 5 * Math.exp(0.4 * randomNormal(random)) }))).to.be.within(68, 92);
  });

  it('covers it as well if time grows with size', () => {
    const draw = (random: Random) => {
      const size = 1e6 * (0.2 + 3 * random());
      return { size, seconds: (1 + 4e-6 * size) * Math.exp(0.2 * randomNormal(random)) };
    };
    expect(coverage(draw)).to.be.within(68, 92);
  });

  it('is wider for a few tasks than for many', () => {
    const bar = (count: number): number => {
      const random = seededRandom(7);
      const seen = Array.from({ length: count }, (_, n) => observation(n, Math.exp(randomNormal(random))));
      const { low, expected, high } = timeOf(forecast({ ...base, parts: sizesOf(zeros(PARTS)), runs: [runOf(seen)] }));
      return (high - low) / expected;
    };
    expect(bar(8)).to.be.greaterThan(1.5 * bar(200));
  });

  it('is wider after a run on a busy machine, whose load it reports, and unchanged on another machine', () => {
    const seen = Array.from({ length: SAMPLE }, (_, n) => observation(n, 1 + (n % 3) / 10));
    const forecastUnder = (load: { average: number; cores: number }) =>
      forecastJob({
        ...base,
        parts: sizesOf(zeros(PARTS)),
        runs: [runOf(seen)],
        slots: SLOTS,
        pieces: 0,
        load,
      });
    const width = ({ seconds: { low, high } }: JobForecast): number => high / low;
    const idle = forecastUnder({ average: 0.2, cores: 2 });
    const full = forecastUnder({ average: 2, cores: 2 });
    const busy = forecastUnder({ average: 8, cores: 2 });
    expect([idle.load, full.load, busy.load]).to.deep.equal([null, null, { average: 8, cores: 2 }]);
    expect(full.seconds).to.deep.equal(idle.seconds);
    // With four times as much load as processors, tasks may have been four times too slow.
    expect(width(busy)).to.be.above(2 * width(idle));
    expect(width(forecastUnder({ average: 1e6, cores: 2 }))).to.be.below(100);
  });

  it('uses the sizes of the real parts, not those of the sample', () => {
    const seen = [1, 2, 3, 4, 5, 6, 7, 8].map((n) =>
      observation(n, n, { size: n * 1_000, bytesIn: n * 1_000, bytesOut: n * 10 }),
    );
    const result = forecast({ ...base, parts: sizesOf(Array.from({ length: 100 }, () => 8_000)), runs: [runOf(seen)] });
    expect(timeOf(result).expected).to.be.closeTo((100 * 8) / SLOTS, 20);
    expect(result.bytesIn.expected).to.be.closeTo(800_000, 10_000);
    expect(result.bytesOut.expected).to.be.closeTo(8_000, 200);
  });

  it('says how much sooner the job is done with twice the slots, and never less than the slowest task', () => {
    const seen = [1, 1, 1, 1, 1, 1, 1, 60].map((seconds, n) => observation(n, seconds));
    const result = forecast({ ...base, slots: [1, 2, 1_000], parts: sizesOf(zeros(80)), runs: [runOf(seen)] });
    const [one, two, many] = result.times.map(({ seconds }) => seconds.expected);
    expect(two).to.be.within(0.45 * (one ?? 0), 0.75 * (one ?? 0));
    expect(many).to.be.within(50, 90);
  });

  it('is as fast for a million parts as for two thousand', () => {
    const seen = Array.from({ length: 20 }, (_, n) => observation(n, 1 + (n % 3) / 10));
    const before = process.cpuUsage();
    const result = forecast({ ...base, parts: sizesOf(zeros(1_000_000)), runs: [runOf(seen)] });
    expect(timeOf(result).expected).to.be.closeTo((1_000_000 * 1.1) / SLOTS, 15_000);
    expect(process.cpuUsage(before).user).to.be.lessThan(10_000_000);
  });

  it("expects as many tasks after an explode as the sample's files suggest, and a gather between fixed and grown", () => {
    const exploding = specOf([
      { name: 'split', output: 'files', explode: true },
      { name: 'count' },
      { name: 'sum', gather: true },
    ]);
    const split = Array.from({ length: 10 }, (_, n) => observation(n, 1, { files: 3, bytesOut: 30 }));
    const count = Array.from({ length: 30 }, (_, n) => observation(n, 2, { bytesIn: 10, bytesOut: 5 }));
    const sum = [observation(0, 4, { bytesIn: 150, bytesOut: 1 })];
    const result = forecast({ ...base, spec: exploding, parts: sizesOf(zeros(100)), runs: [runOf(split, count, sum)] });
    expect(result.steps.map(({ name, tasks }) => [name, tasks.expected])).to.deep.equal([
      ['split', 100],
      ['count', 300],
      ['sum', 1],
    ]);
    const gathering = result.steps[2]?.taskSeconds;
    expect(gathering?.low).to.be.greaterThan(4);
    expect(gathering?.high).to.be.within(30, 44);
    expect(result.unseen).to.deep.equal([]);
  });

  it('names the steps that the sample did not reach', () => {
    const two = specOf([{ name: 'work' }, { name: 'sum', gather: true }]);
    const result = forecast({ ...base, spec: two, parts: sizesOf(zeros(10)), runs: [runOf([observation(0, 1)], [])] });
    expect(result.unseen).to.deep.equal(['sum']);
  });

  it('is the same for the same seed', () => {
    const seen = [1, 2, 3, 4].map((seconds, n) => observation(n, seconds));
    const forecastOf = (seed: number): Forecast =>
      forecast({ ...base, seed, parts: sizesOf(zeros(50)), runs: [runOf(seen)] });
    expect(forecastOf(5)).to.deep.equal(forecastOf(5));
    expect(forecastOf(5)).to.not.deep.equal(forecastOf(6));
  });
});

describe('a schedule', () => {
  const step = (seconds: readonly number[], slots = 1, most = 99) => ({
    seconds: Float64Array.from(seconds),
    slots,
    most,
  });

  it('keeps every slot busy, in task order', () => {
    expect(sectionSeconds([step([4, 1, 1, 1, 1])], 2)).to.equal(4);
    expect(sectionSeconds([step([1, 1, 1, 1, 4])], 2)).to.equal(6);
  });

  it('starts a chain in the next step only once it has finished the previous one', () => {
    expect(sectionSeconds([step([2]), step([3])], 4)).to.equal(5);
    expect(sectionSeconds([step([1, 5]), step([4, 1])], 2)).to.equal(6);
  });

  it('waits for all slots if a task needs them, and obeys maxRunning', () => {
    expect(sectionSeconds([step([2, 2], 2)], 2)).to.equal(4);
    expect(sectionSeconds([step([1, 1, 1, 1], 1, 2)], 4)).to.equal(2);
  });
});

describe('a fit by size', () => {
  it('finds the fixed time and the time per byte', () => {
    const { predict } = fitSizes([100, 200, 300, 400, 500, 600].map((size) => ({ size, value: 2 + size / 100 })));
    expect(predict(1_000)).to.be.closeTo(12, 1e-9);
  });

  it('uses the mean if sizes explain nothing', () => {
    const { predict } = fitSizes([1, 2, 3, 4, 5, 6].map((n) => ({ size: n, value: n % 2 })));
    expect(predict(100)).to.equal(0.5);
  });
});

describe('the parts of a sample', () => {
  it('are spread over the whole, with the first, the last and the largest part', () => {
    expect(chooseParts(2_000, 5, 333)).to.deep.equal([0, 333, 1_000, 1_499, 1_999]);
    const many = chooseParts(1_000_000, 10_000, 77);
    expect(new Set(many).size).to.equal(10_000);
    expect([many[0], many.includes(77), many.at(-1)]).to.deep.equal([0, true, 999_999]);
  });

  it('are all of them if there are no more', () => {
    expect(chooseParts(3, 20, 1)).to.deep.equal([0, 1, 2]);
    expect(chooseParts(9, 1, 4)).to.deep.equal([4]);
  });
});

const zeros = (count: number): readonly number[] => Array.from({ length: count }, () => 0);
const timeOf = (result: Forecast) => result.times[0]?.seconds ?? { low: 0, expected: 0, high: 0 };
