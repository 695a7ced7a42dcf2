import { BatchctlError } from '../errors.ts';
import { groupFlag } from '../model/why/cause.ts';
import type { GroupRaise, LateJob } from './raise.ts';
import type { Troubles } from './troubles.ts';

/** Adds what a person should know about raising groups: errors, and deadlines that will be missed. */
export function addRaiseTroubles(raised: readonly GroupRaise[], troubles: Troubles): void {
  for (const each of raised) {
    if (each.outcome === 'failed') troubles.add(`group ${each.group}`, each.error);
    if ((each.outcome === 'raised' || each.outcome === 'enough') && each.late !== null)
      troubles.add(`group ${each.group}`, lateError(each.group, each.late));
  }
}

/** The same text while the deadline is the same: the projected end is in the hint. */
function lateError(group: string, { job, ends, deadline, max }: LateJob): BatchctlError {
  const iso = (at: number): string => new Date(Math.round(at / 60_000) * 60_000).toISOString();
  const mend = max === null ? '' : `; let its group grow with batchctl scale --max ${max}${groupFlag(group)}`;
  return new BatchctlError('refused', `job ${job} is projected to end after its deadline, ${iso(deadline)}`, {
    hint: `${ends === null ? 'its group may not have instances' : `it will end about ${iso(ends)}`}${mend}`,
  });
}
