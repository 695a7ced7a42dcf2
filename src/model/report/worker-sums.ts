import type { WorkerReport } from '../answers/report.ts';
import type { EndedAttempt } from './attempt-facts.ts';

export interface KnownWorker {
  readonly host: string;
  readonly slots: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly seenAt: number;
  readonly alive: boolean;
}

/** When a worker existed, and with how many slots: milliseconds since the epoch. */
export interface Presence {
  readonly from: number;
  readonly to: number;
  readonly slots: number;
}

/** How many workers are reported, the busiest first. */
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

export class WorkerSums {
  readonly #sums = new Map<string, Sum>();
  readonly #known: ReadonlyMap<string, KnownWorker>;

  constructor(known: ReadonlyMap<string, KnownWorker>) {
    this.#known = known;
  }

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

  /** A worker's slots as reported by it, or at least as many as were seen working: `busiest` at once. */
  slotsOf(worker: string, busiest: number): number {
    const seen = Math.max((this.#sums.get(worker)?.highestSlot ?? 0) + 1, Math.ceil(busiest - 0.05));
    return Math.max(this.#known.get(worker)?.slots ?? 0, seen);
  }

  /**
   * When each worker existed, within the time in which anything ran: from its start to its last heartbeat. One without
   * a record existed from its first attempt to the end of its last.
   */
  presences(slotsOf: (worker: string) => number, span: Pick<Presence, 'from' | 'to'>): readonly Presence[] {
    return [...this.#sums].map(([worker, sum]) => {
      const known = this.#known.get(worker);
      const left = known === undefined ? sum.to : known.alive ? span.to : known.seenAt;
      return {
        from: Math.max(span.from, Math.min(sum.from, known?.startedAt ?? sum.from)),
        to: Math.min(span.to, Math.max(sum.to, left)),
        slots: slotsOf(worker),
      };
    });
  }

  /** The busiest first, and the busy share of all slots' time. */
  reports(slotsOf: (worker: string) => number): {
    readonly workers: readonly WorkerReport[];
    readonly busySeconds: number;
  } {
    let busy = 0;
    for (const sum of this.#sums.values()) busy += sum.busy;
    const workers = [...this.#sums]
      .sort(([, a], [, b]) => b.busy - a.busy)
      .slice(0, SHOWN)
      .map(([worker, { from, to, done, failedAttempts, interrupted, busy: milliseconds }]) => ({
        worker,
        host: this.#known.get(worker)?.host ?? null,
        slots: slotsOf(worker),
        from: new Date(from).toISOString(),
        to: new Date(to).toISOString(),
        done,
        failedAttempts,
        interrupted,
        busySeconds: milliseconds / 1_000,
      }));
    return { workers, busySeconds: busy / 1_000 };
  }
}

/** Slots times the time that they existed, milliseconds. */
export function slotTime(presences: readonly Presence[]): number {
  return presences.reduce((sum, { from, to, slots }) => sum + (to - from) * slots, 0);
}

/** The maximum number of slots at once. */
export function mostSlots(presences: readonly Presence[]): number {
  const changes = presences.flatMap(({ from, to, slots }) => [
    { at: from, by: slots },
    { at: to, by: -slots },
  ]);
  // A worker that comes as another leaves replaces it.
  changes.sort((a, b) => a.at - b.at || a.by - b.by);
  let [now, most] = [0, 0];
  for (const { by } of changes) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}
