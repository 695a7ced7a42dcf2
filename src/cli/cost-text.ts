import type { JobStatus } from '../jobs/status.ts';
import { dollarsText } from '../model/cost/words.ts';

/** `cost $3.20 so far, projected $9.10, pauses at $10.00`; null if nothing costs anything. */
export function costText({
  cost,
  costProjected,
  maxCost,
  costUnknown,
}: Pick<JobStatus, 'cost' | 'costProjected' | 'maxCost' | 'costUnknown'>): string | null {
  const limit = maxCost === null ? '' : `, pauses at ${dollarsText(maxCost)}`;
  const types = costUnknown.join(', ');
  if (cost === null) {
    return costUnknown.length === 0
      ? null
      : `cost unknown: no price for ${types} (set prices in the configuration)${limit}`;
  }
  const projected = costProjected === null ? '' : `, projected ${dollarsText(costProjected)}`;
  const unknown = costUnknown.length === 0 ? '' : `; no price for ${types}`;
  return `cost ${dollarsText(cost)} so far${projected}${limit}${unknown}`;
}
