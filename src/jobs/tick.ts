import type { Platform } from '../ports/platform.ts';
import { tickId } from './keeper.ts';
import { Keeping, type KeepingPoint, type LookedOn, type Missed } from './keeping.ts';
import type { GroupLower } from './lower.ts';
import type { Fired } from './schedules/fire.ts';
import { type Trouble, Troubles } from './troubles.ts';

export interface TickOptions {
  /** True: says what is due, and does nothing. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
  readonly passed?: (point: KeepingPoint) => void;
}

export interface Ticked extends LookedOn {
  readonly keeper: string;
  readonly fired: readonly Fired[];
  /** Each told once. */
  readonly missed: readonly Missed[];
  readonly lowered: readonly GroupLower[];
  /** What became of deliveries, in words. */
  readonly delivered: readonly string[];
  readonly troubles: readonly Trouble[];
}

/**
 * One round of what a manager does: fires what is due of the schedules, looks on at open jobs (opens gathers, closes,
 * raises groups, resends, delivers), and leaves the mark of a keeper. Killed at any point, the next one does the rest.
 */
export async function tick(platform: Platform, { dryRun, signal, passed }: TickOptions): Promise<Ticked> {
  const id = tickId();
  const began = platform.clock.now();
  const { keeping, told } = await Keeping.open(platform, {
    ...{ id, kind: 'tick', signal: signal ?? new AbortController().signal },
    ...(passed && { passed }),
  });
  const troubles = new Troubles(told, began);
  const schedules = await keeping.schedules(troubles);
  const { fired, raised } = await keeping.fire(schedules, troubles, { dryRun });
  const missed = await keeping.missed(schedules, began, { dryRun });
  const done = { keeper: id, fired, missed };
  if (dryRun) return { ...done, moved: [], raised: [], lowered: [], delivered: [], troubles: troubles.all };
  const looked = await keeping.lookOn(troubles);
  const lowered = await keeping.lower(troubles);
  // Before deliveries, which may take an hour.
  await keeping.tell(troubles);
  await keeping.measure(troubles);
  const delivered: string[] = [];
  await keeping.deliver(troubles, (line) => delivered.push(line));
  await keeping.delivered();
  // One that was told to stop has not done its round.
  if (signal?.aborted !== true) await keeping.leaveMark(began, troubles.told);
  return { ...done, ...looked, raised: [...raised, ...looked.raised], lowered, delivered, troubles: troubles.all };
}
