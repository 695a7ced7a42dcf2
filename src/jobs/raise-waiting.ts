import { groupsOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { anyWaits } from './grid/queues.ts';
import { type GroupRaise, Raiser } from './raise.ts';
import { resendable } from './resendable.ts';

export interface RaiseWaitingOptions {
  /** Groups are asked for only while messages wait. */
  readonly onlyWaiting: boolean;
  /** What became of raising is told here, all of it; null: only what failed is, as trouble. */
  readonly onRaised: ((raised: readonly GroupRaise[]) => void) | null;
  /** Told of a job whose group can't be raised. */
  readonly onTrouble: (job: string, error: Error) => void;
}

/** Raises groups that have too few instances, or none, for the work that waits there (law 9): a next step's, say. Once a minute. */
export class WaitingRaiser {
  readonly #platform: Platform;
  readonly #options: RaiseWaitingOptions;
  readonly #raiser: Raiser;

  constructor(platform: Platform, options: RaiseWaitingOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#raiser = new Raiser(platform);
  }

  /** One round over the jobs that are known. */
  async round(all: readonly JobView[]): Promise<void> {
    const { onlyWaiting, onRaised, onTrouble } = this.#options;
    const now = this.#platform.clock.now();
    const views = all.filter((view) => resendable(view, now));
    const groups = new Set(views.flatMap(({ record }) => groupsOf(record.spec)));
    if (onlyWaiting && this.#platform.remote && !(await anyWaits(this.#platform, groups))) return;
    const raised = await this.#raiser.round(views, true);
    if (onRaised !== null) return onRaised(raised);
    for (const each of raised) {
      if (each.outcome !== 'failed') continue;
      const job = views.find(({ record }) => groupsOf(record.spec).includes(each.group))?.record.job ?? '';
      onTrouble(job, each.error);
    }
  }
}
