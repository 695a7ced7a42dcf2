import { isClosed } from '../../model/job.ts';
import { type EventKind, lateEvent, type NewsEvent, noStartEvent, startsBy } from '../../model/notify.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Seen } from '../seen.ts';
import { statusOf } from '../status.ts';
import type { Told } from './receivers.ts';

/** Between two looks at a job's counters, milliseconds. */
const EVERY_MS = 60_000;

type Wanted = readonly Pick<Told, 'on'>[];

/** What only counters tell of open jobs. They are asked for once a minute, and only where somebody is to know. */
export class Watchfulness {
  readonly #platform: Platform;
  /** Since when jobs are projected past their deadlines: the first tasks make for wild projections. */
  readonly late: Map<string, Seen>;
  readonly #lookedAt = new Map<string, number>();
  /** Jobs of which something has run. */
  readonly #begun = new Set<string>();

  /** `recalled`: what `late` was in an earlier process. */
  constructor(platform: Platform, recalled: ReadonlyMap<string, Seen> = new Map()) {
    this.#platform = platform;
    // One that has closed since is never seen again: it goes with its deadline.
    this.late = new Map([...recalled].filter(([, { is }]) => platform.clock.now() <= Date.parse(is)));
  }

  isTime(view: JobView, receivers: Wanted): boolean {
    const { job } = view.record;
    if (isClosed(stateOf(view))) {
      this.late.delete(job);
      this.#lookedAt.delete(job);
      this.#begun.delete(job);
      return false;
    }
    const asked = this.#asksWhetherLate(view, receivers) || this.#asksWhetherBegun(view, receivers);
    const last = this.#lookedAt.get(job) ?? Number.NEGATIVE_INFINITY;
    return asked && this.#platform.clock.monotonic() - last >= EVERY_MS;
  }

  /** What the counters say at this moment, if it is time to ask for them. */
  async look(view: JobView, receivers: Wanted): Promise<readonly NewsEvent[]> {
    if (!this.isTime(view, receivers)) return [];
    const { job } = view.record;
    this.#lookedAt.set(job, this.#platform.clock.monotonic());
    const { steps, projected } = await statusOf(this.#platform, view, undefined, undefined, null);
    const found: NewsEvent[] = [];
    if (this.#asksWhetherBegun(view, receivers)) {
      const ran = steps.some(({ running, done, failed, retried, interrupted }) =>
        [running, done, failed, retried, interrupted].some((count) => count > 0),
      );
      if (ran) this.#begun.add(job);
      else found.push(noStartEvent(view));
    }
    const late = this.#asksWhetherLate(view, receivers) && this.#stands(view, projected);
    const event = late ? lateEvent(view, projected) : null;
    return event === null ? found : [...found, event];
  }

  #asksWhetherLate(view: JobView, receivers: Wanted): boolean {
    return (
      view.finishBy !== null && wants(receivers, 'late') && this.#platform.clock.now() <= Date.parse(view.finishBy)
    );
  }

  #asksWhetherBegun(view: JobView, receivers: Wanted): boolean {
    const by = startsBy(view);
    if (by === null || !wants(receivers, 'no-start') || this.#begun.has(view.record.job)) return false;
    return this.#platform.clock.now() >= by;
  }

  /** True once a projection has stood past the deadline for a lease. */
  #stands({ record: { job }, finishBy }: JobView, projected: string | null): boolean {
    if (finishBy === null || projected === null || Date.parse(projected) <= Date.parse(finishBy)) {
      this.late.delete(job);
      return false;
    }
    const { clock, leaseSeconds } = this.#platform;
    const before = this.late.get(job);
    const since = before?.is === finishBy ? before.since : clock.monotonic();
    this.late.set(job, { is: finishBy, since });
    return clock.monotonic() - since >= leaseSeconds * 1_000;
  }
}

const wants = (receivers: Wanted, kind: EventKind): boolean => receivers.some(({ on }) => on.has(kind));
