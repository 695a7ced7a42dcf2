import type { Forecast } from '../forecast/forecast.ts';
import type { StepSpec } from '../job.ts';
import { slotsPerTask } from '../load.ts';
import { startingCost } from './limit.ts';

export interface RemainingStep {
  readonly group: string;
  /** Tasks that wait, or will come; null while their number is unknown. */
  readonly waiting: number | null;
  readonly running: number;
  /** Mean seconds per task; null while unknown. */
  readonly seconds: number | null;
  /** Slots that a task holds. */
  readonly slots: number | 'all';
}

interface SlotPrice {
  /** US dollars per hour and machine; null if unknown. */
  readonly usd: number | null;
  readonly slots: number;
}

/**
 * The cost of the remaining work, US dollars: slot-seconds by a share of a machine's price. Running tasks are half
 * done, on average. Null while a needed duration, number of tasks or price isn't known.
 */
export function workCost(steps: readonly RemainingStep[], priceOf: (group: string) => SlotPrice): number | null {
  let usd = 0;
  for (const step of steps) {
    if (step.waiting === null) return null;
    const tasks = step.waiting + step.running / 2;
    if (tasks === 0) continue;
    const { usd: price, slots } = priceOf(step.group);
    if (price === null || step.seconds === null) return null;
    const held = slotsPerTask({ slots: step.slots }, slots);
    usd += (price / 3_600) * ((tasks * step.seconds * held) / slots);
  }
  return usd;
}

/**
 * The expected cost of a job, from its forecast, US dollars: its work, and booting and idling of one machine of each
 * group. Steps that no run has reached aren't included. Null if a price isn't known.
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
  const cost = workCost(work, priceOf);
  const starts = [...new Set(steps.map(({ group }) => group))].map((group) => {
    const { usd, boot } = priceOf(group);
    return usd === null ? null : startingCost({ price: usd, boot });
  });
  if (cost === null || starts.some((start) => start === null)) return null;
  return starts.reduce<number>((sum, start) => sum + (start ?? 0), cost);
}
