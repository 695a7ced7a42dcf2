import { heldBy } from '../load.ts';

/** What a step has yet to do. */
export interface StepLeft {
  readonly group: string;
  /** Tasks that wait, or that will come; null while nobody knows how many. */
  readonly waiting: number | null;
  readonly running: number;
  /** Mean seconds a task; null while nobody knows. */
  readonly seconds: number | null;
  /** Slots that a task holds. */
  readonly slots: number | 'all';
}

/** A group's machines, for what work on them costs. */
export interface SlotPrice {
  /** US dollars an hour of a machine; null where nobody knows. */
  readonly usd: number | null;
  /** Tasks at once on it. */
  readonly slots: number;
}

/**
 * What work costs that is yet to be done, US dollars: slot-seconds by a share of a machine's price. What runs is half
 * done, on average. Null while a duration, a number of tasks or a price isn't known that counts.
 */
export function costOfWork(steps: readonly StepLeft[], priceOf: (group: string) => SlotPrice): number | null {
  let usd = 0;
  for (const step of steps) {
    if (step.waiting === null) return null;
    const tasks = step.waiting + step.running / 2;
    if (tasks === 0) continue;
    const { usd: price, slots } = priceOf(step.group);
    if (price === null || step.seconds === null) return null;
    const held = heldBy({ slots: step.slots }, slots);
    usd += (price / 3_600) * ((tasks * step.seconds * held) / slots);
  }
  return usd;
}
