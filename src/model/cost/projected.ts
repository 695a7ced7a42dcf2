import type { Forecast } from '../forecast/forecast.ts';
import type { StepSpec } from '../job.ts';
import { heldBy } from '../load.ts';
import { startingCost } from './limit.ts';

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
interface SlotPrice {
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

/**
 * What a job is expected to cost that a forecast is of, US dollars: its work, and a machine of each group that boots and
 * idles. Steps that no run has got to aren't in it. Null where a price isn't known.
 */
export function expectedCost(
  steps: readonly Pick<StepSpec, 'name' | 'group' | 'needs'>[],
  forecast: Pick<Forecast, 'steps'>,
  priceOf: (group: string) => SlotPrice & { readonly boot: number },
): number | null {
  const work = steps.flatMap(({ name, group, needs }) => {
    const seen = forecast.steps.find((step) => step.name === name);
    if (seen === undefined) return [];
    const { tasks, taskSeconds } = seen;
    return [{ group, waiting: tasks.expected, running: 0, seconds: taskSeconds.expected, slots: needs.slots }];
  });
  const cost = costOfWork(work, priceOf);
  const starts = [...new Set(steps.map(({ group }) => group))].map((group) => {
    const { usd, boot } = priceOf(group);
    return usd === null ? null : startingCost({ price: usd, boot });
  });
  if (cost === null || starts.some((start) => start === null)) return null;
  return starts.reduce<number>((sum, start) => sum + (start ?? 0), cost);
}
