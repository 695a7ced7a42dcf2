import type { Forecast } from '../forecast/forecast.ts';
import type { StepSpec } from '../job.ts';
import { startingCost } from './limit.ts';
import { costOfWork, type SlotPrice } from './projected.ts';

/**
 * What a job is expected to cost that a forecast is of, US dollars: its work, and a machine of each group that boots and
 * idles. Steps that no run has got to aren't in it. Null where a price isn't known.
 */
export function expectedCost(
  steps: readonly Pick<StepSpec, 'name' | 'group' | 'needs'>[],
  forecast: Pick<Forecast, 'steps'>,
  priceOf: (group: string) => SlotPrice,
): number | null {
  const work = steps.flatMap(({ name, group, needs }) => {
    const seen = forecast.steps.find((step) => step.name === name);
    if (seen === undefined) return [];
    const { tasks, taskSeconds } = seen;
    return [{ group, waiting: tasks.expected, running: 0, seconds: taskSeconds.expected, slots: needs.slots }];
  });
  const cost = costOfWork(work, priceOf);
  const prices = [...new Set(steps.map(({ group }) => group))].map((group) => priceOf(group).usd);
  if (cost === null || prices.some((price) => price === null)) return null;
  return prices.reduce<number>((sum, price) => sum + startingCost(price ?? 0), cost);
}
