import { isClosed } from '../../model/job-state.ts';
import { lateEvent, noStartAt, noStartEvent } from '../../model/news.ts';
import type { EventKind, NewsEvent } from '../../model/notify.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import type { Sighting } from '../keeper-mark.ts';
import type { NoticeReceiver } from '../receivers.ts';
import { statusOf } from '../status.ts';

/** Interval between checks of a job's counters, milliseconds. */
const EVERY_MS = 60_000;

type Subscriptions = readonly Pick<NoticeReceiver, 'on'>[];

/** Events that only the counters of open jobs show. Checked once a minute, and only if a receiver wants them. */
export class CounterWatch {
  readonly #platform: Platform;
  /** Since when jobs are projected past their deadlines: first projections are unreliable. */
  readonly late: Map<string, Sighting>;
  readonly #lookedAt = new Map<string, number>();
  /** Jobs with started tasks. */
  readonly #begun = new Set<string>();

  /** `recalled`: the value of `late` in an earlier process. */
  constructor(platform: Platform, recalled: ReadonlyMap<string, Sighting> = new Map()) {
    this.#platform = platform;
    // A job that has closed since is never seen again, so drop it with its deadline.
    this.late = new Map([...recalled].filter(([, { is }]) => platform.clock.now() <= Date.parse(is)));
  }

  isTime(view: JobView, receivers: Subscriptions): boolean {
    const { job } = view.record;
    if (isClosed(stateOf(view))) {
      this.late.delete(job);
      this.#lookedAt.delete(job);
      this.#begun.delete(job);
      return false;
    }
    const asked = this.#needsLateCheck(view, receivers) || this.#needsStartCheck(view, receivers);
    const last = this.#lookedAt.get(job) ?? Number.NEGATIVE_INFINITY;
    return asked && this.#platform.clock.monotonic() - last >= EVERY_MS;
  }

  /** The events that the counters show, if a check is due. */
  async look(view: JobView, receivers: Subscriptions): Promise<readonly NewsEvent[]> {
    if (!this.isTime(view, receivers)) return [];
    const { job } = view.record;
    this.#lookedAt.set(job, this.#platform.clock.monotonic());
    const { steps, projected } = await statusOf(this.#platform, view, undefined, undefined, null);
    const found: NewsEvent[] = [];
    if (this.#needsStartCheck(view, receivers)) {
      const ran = steps.some(({ running, done, failed, retried, interrupted }) =>
        [running, done, failed, retried, interrupted].some((count) => count > 0),
      );
      if (ran) this.#begun.add(job);
      else found.push(noStartEvent(view));
    }
    const late = this.#needsLateCheck(view, receivers) && this.#isLateForALease(view, projected);
    const event = late ? lateEvent(view, projected) : null;
    return event === null ? found : [...found, event];
  }

  #needsLateCheck(view: JobView, receivers: Subscriptions): boolean {
    return (
      view.finishBy !== null && wants(receivers, 'late') && this.#platform.clock.now() <= Date.parse(view.finishBy)
    );
  }

  #needsStartCheck(view: JobView, receivers: Subscriptions): boolean {
    const by = noStartAt(view);
    if (by === null || !wants(receivers, 'no-start') || this.#begun.has(view.record.job)) return false;
    return this.#platform.clock.now() >= by;
  }

  /** True once a projection has been past the deadline for a lease. */
  #isLateForALease({ record: { job }, finishBy }: JobView, projected: string | null): boolean {
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

const wants = (receivers: Subscriptions, kind: EventKind): boolean => receivers.some(({ on }) => on.has(kind));
