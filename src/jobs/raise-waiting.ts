import { groupsOf } from '../model/job.ts';
import type { JobView } from '../model/view.ts';
import type { Platform } from '../ports/platform.ts';
import { anyWaits } from './grid/queues.ts';
import { type GroupRaise, Raiser } from './raise.ts';
import { resendable } from './resendable.ts';

export interface RaiseWaitingOptions {
  /** Raise groups only while messages wait. */
  readonly onlyWaiting: boolean;
  /** Receives all results of raising; null: only failures, as problems. */
  readonly onRaised: ((raised: readonly GroupRaise[]) => void) | null;
  /** Called for a job whose group can't be raised. */
  readonly onTrouble: (job: string, error: Error) => void;
}

/**
 * Raises groups that have too few instances for the waiting work (law 9), such as that of a next step. Once a minute.
 */
export class WaitingRaiser {
  readonly #platform: Platform;
  readonly #options: RaiseWaitingOptions;
  readonly #raiser: Raiser;

  constructor(platform: Platform, options: RaiseWaitingOptions) {
    this.#platform = platform;
    this.#options = options;
    this.#raiser = new Raiser(platform);
  }

  /** One round over the known jobs. */
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
