import type { Notice } from '../../ports/machine.ts';

/** What the metadata service says; null where it has nothing to say. */
export interface Said {
  /** `spot/instance-action`: `{"action":"terminate","time":"2026-11-30T08:22:00Z"}` (EC2: spot-instance-termination-notices). */
  readonly action: string | null;
  /** `autoscaling/target-lifecycle-state` (Auto Scaling: retrieving-target-lifecycle-state-through-imds). */
  readonly target: string | null;
  /** `events/recommendations/rebalance`: `{"noticeTime":"..."}` (EC2: rebalance-recommendations). */
  readonly rebalance: string | null;
}

/** The strongest of what stands against an instance: what ends it soonest. */
export function noticeOf({ action, target, rebalance }: Said, now: number): Notice | null {
  if (action !== null) return { kind: 'interruption', at: timeOf(action, now) };
  const state = target?.trim() ?? 'InService';
  if (/^(Warmed:)?Terminated$/.test(state)) return { kind: 'terminating', at: null };
  // Warmed:..., Standby, Detached, and whatever comes later: it is not in service, and not to end.
  if (state !== 'InService' && state !== '') return { kind: 'stopping', at: null };
  return rebalance === null ? null : { kind: 'rebalance', at: null };
}

/** A spot instance that is hibernated gets no two minutes: it is told as it begins. */
function timeOf(text: string, now: number): number | null {
  try {
    const { action, time }: { action?: unknown; time?: unknown } = JSON.parse(text);
    const at = Date.parse(String(time));
    if (Number.isNaN(at)) return null;
    return action === 'hibernate' ? Math.min(at, now) : at;
  } catch {
    return null;
  }
}
