import type { EndedAttempt } from './attempt-facts.ts';
import type { WorkerReport } from './report.ts';

/** What the ledger knows of a worker besides its attempts. */
export interface KnownWorker {
  readonly host: string;
  readonly slots: number;
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
  readonly alive: boolean;
}

/** So many workers are reported, the busiest first. */
const SHOWN = 200;

interface Sum {
  from: number;
  to: number;
  done: number;
  failedAttempts: number;
  interrupted: number;
  /** Milliseconds times slots. */
  busy: number;
  highestSlot: number;
}

/** What each worker did. */
export class WorkerSums {
  readonly #sums = new Map<string, Sum>();
  readonly #known: ReadonlyMap<string, KnownWorker>;

  constructor(known: ReadonlyMap<string, KnownWorker>) {
    this.#known = known;
  }

  /** An attempt that held so many slots. */
  add({ facts, outcome, end }: EndedAttempt, slots: number): void {
    let sum = this.#sums.get(facts.worker);
    if (sum === undefined) {
      sum = { from: facts.startedAt, to: end, done: 0, failedAttempts: 0, interrupted: 0, busy: 0, highestSlot: 0 };
      this.#sums.set(facts.worker, sum);
    }
    if (facts.startedAt < sum.from) sum.from = facts.startedAt;
    if (end > sum.to) sum.to = end;
    if (facts.slot > sum.highestSlot) sum.highestSlot = facts.slot;
    sum.busy += (end - facts.startedAt) * slots;
    if (outcome === 'done') sum.done += 1;
    else if (outcome === 'interrupted') sum.interrupted += 1;
    else if (outcome !== 'running') sum.failedAttempts += 1;
  }

  /** A worker's slots as it said, or at least as many as were seen at work: `busiest` at once. */
  slotsOf(worker: string, busiest: number): number {
    const seen = Math.max((this.#sums.get(worker)?.highestSlot ?? 0) + 1, Math.ceil(busiest - 0.05));
    return Math.max(this.#known.get(worker)?.slots ?? 0, seen);
  }

  /** The busiest first; and over all workers, slots times the time they were there, and how much of it was busy. */
  reports(slotsOf: (worker: string) => number): {
    readonly workers: readonly WorkerReport[];
    readonly slotSeconds: number;
    readonly busySeconds: number;
  } {
    let [there, busy] = [0, 0];
    for (const [worker, sum] of this.#sums) {
      there += (sum.to - sum.from) * slotsOf(worker);
      busy += sum.busy;
    }
    const workers = [...this.#sums]
      .sort(([, a], [, b]) => b.busy - a.busy)
      .slice(0, SHOWN)
      .map(([worker, { from, to, done, failedAttempts, interrupted, busy: milliseconds }]) => ({
        worker,
        host: this.#known.get(worker)?.host ?? null,
        slots: slotsOf(worker),
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        ...{ done, failedAttempts, interrupted, busySeconds: milliseconds / 1_000 },
      }));
    return { workers, slotSeconds: there / 1_000, busySeconds: busy / 1_000 };
  }
}
