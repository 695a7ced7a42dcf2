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
