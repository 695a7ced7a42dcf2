import { randomNormal, seededRandom } from '../src/model/forecast/section.ts';
import type { CommandEnd } from '../src/worker/executor.ts';

/** The simulated history: how long each attempt took, where it ran and how it ended. The same for the same seed. */

/** Workers, and slots per worker. */
export const WORKERS = 8;
export const SLOTS = 4;
/** One task in this many takes very long; fails once; is released once; fails for good. */
const STRAGGLER = 2_000;
const FLAKY = 100;
const INTERRUPTED = 500;
const FAILING = 1_000;
/** Median seconds of all other tasks. */
const MEDIAN = 1.5;

export interface PlannedAttempt {
  readonly end: 'done' | 'interrupted' | Failing;
  readonly seconds: number;
}

interface Failing {
  readonly how: CommandEnd['how'];
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** A task's attempts, in order. The last one decides. */
export function attemptsOf(task: number, seed: number): readonly PlannedAttempt[] {
  const random = seededRandom(seed + task * 7_919);
  const long = task % STRAGGLER === STRAGGLER - 1;
  const seconds = MEDIAN * Math.exp(0.6 * randomNormal(random)) * (long ? 40 : 1);
  if (task % FAILING === FAILING / 2 - 1) return failing(task, random, seconds);
  const done: PlannedAttempt = { end: 'done', seconds };
  if (task % FLAKY === FLAKY / 2) return [{ end: unreachable(random), seconds: 30 + random() }, done];
  if (task % INTERRUPTED === INTERRUPTED / 2 + 1) return [{ end: 'interrupted', seconds: seconds / 2 }, done];
  return [done];
}

/** One of three causes: a bad record (retrying doesn't help), an unreachable service, or too little memory. */
function failing(task: number, random: () => number, seconds: number): readonly PlannedAttempt[] {
  const reason = Math.floor(task / FAILING) % 3;
  if (reason === 0) {
    const stderr = `line ${1 + Math.floor(random() * 900)} of claim ${task}: expected an amount, found "12,5O"`;
    return [{ end: { how: 'exit', code: 65, signal: null, stderr }, seconds }];
  }
  if (reason === 1) return [0, 1, 2].map(() => ({ end: unreachable(random), seconds: 30 + random() }));
  const end = { how: 'signal', code: null, signal: 'SIGKILL', stderr: '' } as const;
  return [0, 1, 2].map(() => ({ end, seconds: seconds * 3 }));
}

function unreachable(random: () => number): Failing {
  const stderr = `connect ETIMEDOUT 10.0.3.${Math.floor(random() * 250)}:5432 after ${Math.floor(30_000 + random() * 99)} ms`;
  return { how: 'exit', code: 1, signal: null, stderr };
}

/** Where and when an attempt ran: milliseconds since the epoch. */
export interface Place {
  readonly worker: number;
  readonly slot: number;
  readonly from: number;
  readonly to: number;
}

/** Gives each attempt to the slot that is free first, as with a queue that never runs dry. */
export class Slots {
  /** When each slot is free, milliseconds since the epoch. */
  readonly #free: Float64Array;

  constructor(start: number) {
    // Workers start one after another.
    this.#free = Float64Array.from({ length: WORKERS * SLOTS }, (_, lane) => start + (lane % WORKERS) * 1_200);
  }

  take(seconds: number): Place {
    let lane = 0;
    for (let at = 1; at < this.#free.length; at += 1) if (this.#at(at) < this.#at(lane)) lane = at;
    const from = this.#at(lane);
    const to = from + seconds * 1_000;
    // Milliseconds for receiving, publishing and settling.
    this.#free[lane] = to + 8;
    return { worker: lane % WORKERS, slot: Math.floor(lane / WORKERS), from: Math.round(from), to: Math.round(to) };
  }

  get end(): number {
    return Math.ceil(Math.max(...this.#free));
  }

  #at(lane: number): number {
    return this.#free[lane] ?? 0;
  }
}
