import { readFileSync } from 'node:fs';
import type { Draw } from './workloads.ts';

/** What `batchctl tasks --json` printed for two runs of one job. */
interface Recorded {
  readonly job: string;
  readonly step: string;
  readonly on: string;
  /** Mean of another run, in milliseconds: the estimate from before. */
  readonly earlierMean: number;
  /** Duration of each task, by its number. */
  readonly milliseconds: readonly number[];
}

/** The tasks are mails of milliseconds each. They are played as seconds, so that there is work to size a group for. */
const TIMES = 1_000;

const read = (name: string): Recorded =>
  JSON.parse(readFileSync(new URL(`./recorded/${name}.json`, import.meta.url), 'utf8'));

/** A recorded step as the simulator plays it, in seconds. */
export function recorded(name: string): { readonly seconds: readonly number[]; readonly earlier: number } {
  const { milliseconds, earlierMean } = read(name);
  const seconds = (each: number): number => (each / 1_000) * TIMES;
  return { seconds: milliseconds.map(seconds), earlier: seconds(earlierMean) };
}

/** Yields the durations in their order, starting over at the end. */
export function inTurn(seconds: readonly number[]): Draw {
  let next = 0;
  return () => {
    const now = seconds[next % seconds.length] ?? 0;
    next += 1;
    return now;
  };
}
