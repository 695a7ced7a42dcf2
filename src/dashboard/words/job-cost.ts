import type { Status } from '../answers.ts';
import { formatUsd } from './money.ts';
import type { Tone } from './tone.ts';

export interface CostText {
  readonly main: string;
  readonly note: string | null;
  readonly tone: Tone | null;
}

/** What a job has cost, against what it may; null where nothing is known of it. */
export function costText({ cost, costProjected, maxCost, costUnknown }: Status): CostText | null {
  const unknown = costUnknown.length > 0 ? `no price for ${costUnknown.join(', ')}` : null;
  if (cost === null) {
    if (maxCost === null && unknown === null) return null;
    return { main: 'not known', note: unknown ?? `may cost ${formatUsd(maxCost ?? 0)}`, tone: null };
  }
  const notes = [
    ...(maxCost === null ? [] : [`of ${formatUsd(maxCost)}`]),
    ...(costProjected === null ? [] : [`${formatUsd(costProjected)} by its end`]),
    ...(unknown === null ? [] : [unknown]),
  ];
  return { main: formatUsd(cost), note: notes.join(', ') || null, tone: toneOf(cost, costProjected, maxCost) };
}

function toneOf(cost: number, projected: number | null, limit: number | null): Tone | null {
  if (limit === null) return null;
  if (cost >= limit) return 'bad';
  return projected !== null && projected > limit ? 'doubtful' : null;
}
