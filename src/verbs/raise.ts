import { type GroupRaise, type RaiseOptions, raiseGroups } from '../jobs/grid/raise.ts';
import type { ApiError } from '../model/api.ts';
import { groupsOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { VerbContext } from './context.ts';

/** The result of raising a group, as plain values. */
export type RaiseResult =
  | Exclude<GroupRaise, { readonly outcome: 'failed' }>
  | { readonly group: string; readonly outcome: 'failed'; readonly error: ApiError };

export type RaiseEvent =
  | { readonly event: 'raised'; readonly groups: readonly RaiseResult[] }
  /** No workers start automatically in these groups. `remote`: their queues are on AWS. */
  | { readonly event: 'byHand'; readonly job: string; readonly groups: readonly string[]; readonly remote: boolean };

export const isRaiseEvent = (event: { readonly event: string }): event is RaiseEvent =>
  event.event === 'raised' || event.event === 'byHand';

/** Raises the groups of a job whose tasks were just sent, once, and reports the result. */
export async function raiseJobGroups(
  context: Pick<VerbContext<RaiseEvent>, 'platform' | 'report'>,
  view: JobView,
  { scale, ...options }: RaiseOptions & { readonly scale: boolean },
): Promise<void> {
  const platform = await context.platform();
  const remote = platform.workplace.sizesGroups;
  const raised = scale ? await raiseGroups(platform, [view], options) : [];
  if (raised.length > 0) context.report({ event: 'raised', groups: raiseResultsOf(raised) });
  // A local group is manual, with size 0, until a person sets its size.
  const served = (each: GroupRaise): boolean =>
    each.outcome === 'raised' || ('status' in each && each.status.desired > 0);
  const idle = !remote && !raised.some(served);
  const byHand = raised.some((each) => each.outcome === 'byHand' && !each.status.missing);
  if (idle || byHand) {
    const { job, spec } = view.record;
    context.report({ event: 'byHand', job, groups: groupsOf(spec), remote });
  }
}

export function raiseResultsOf(raised: readonly GroupRaise[]): readonly RaiseResult[] {
  return raised.map((each) => {
    if (each.outcome !== 'failed') return each;
    const { kind, message, hint = null } = each.error;
    return { ...each, error: { kind, message, hint } };
  });
}
