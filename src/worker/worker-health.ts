import { BatchctlError, isFull } from '../errors.ts';
import { VERSION } from '../lib/version.ts';
import type { StepCounts } from '../model/ledger/records.ts';
import { sum } from '../model/load.ts';
import type { Ledger } from '../ports/ledger.ts';
import { type Outcome, shortMessageOf, WRITTEN_OUTCOMES } from './outcome.ts';
import type { SettleItem } from './settle.ts';

/** Consecutive attempts that a service must have refused before the worker gives up. */
const SERVICE_PATIENCE = 3;

export class OutcomeTally {
  readonly #maxFailures: number | null;
  #failedInARow = 0;
  readonly #patienceMs: number;
  #refusedInARow = 0;
  #refusedSince = 0;
  done = 0;
  /** Tasks that failed for good. */
  failed = 0;

  /** A service that refuses for less than `patienceMs` is waited for: a short outage hits many slots at once. */
  constructor(maxFailures: number | null, patienceMs: number) {
    this.#maxFailures = maxFailures;
    this.#patienceMs = patienceMs;
  }

  /** Counts an outcome; `now` is monotonic. Returns why the worker should leave, if it should. */
  note(outcome: Outcome, now: number): BatchctlError | null {
    const refused = (outcome.kind === 'interrupted' || outcome.kind === 'declined') && outcome.why === 'service';
    if (WRITTEN_OUTCOMES.includes(outcome.kind)) this.#refusedInARow = 0;
    if (refused && this.#refusedInARow === 0) this.#refusedSince = now;
    if (refused) this.#refusedInARow += 1;
    if (outcome.kind === 'published') {
      this.done += 1;
      this.#failedInARow = 0;
    } else if (outcome.kind === 'retry' || outcome.kind === 'failed') {
      this.#failedInARow += 1;
      if (outcome.kind === 'failed') this.failed += 1;
    }
    if (refused && this.#refusedInARow >= SERVICE_PATIENCE) {
      // A disk that is full stays so until a person, or a task that ends, makes room.
      if (isFull(outcome.error) || now - this.#refusedSince >= this.#patienceMs) return this.#refusal(outcome.error);
    }
    return this.#reason(outcome);
  }

  #refusal(error: unknown): BatchctlError {
    return new BatchctlError(
      isFull(error) ? 'full' : 'unavailable',
      `the store rejected ${this.#refusedInARow} attempts in a row: ${shortMessageOf(error)}`,
      { hint: 'free space or repair the store, then start a worker again: nothing is lost' },
    );
  }

  #reason(outcome: Outcome): BatchctlError | null {
    if (outcome.kind === 'declined' && outcome.why === 'newer') {
      const { message, hint } = outcome.error;
      return new BatchctlError('newer', `this worker runs batchctl ${VERSION}: ${message}`, {
        ...(hint !== undefined && { hint }),
      });
    }
    if (this.#maxFailures === null || this.#failedInARow < this.#maxFailures) return null;
    return new BatchctlError(
      'refused',
      `${this.#failedInARow} attempts in a row failed on this worker (--max-failures)`,
      { hint: 'batchctl tasks JOB --state failed; if other workers succeed, check this machine' },
    );
  }
}

type StepResults = Pick<StepCounts, 'done' | 'failed' | 'retried'>;
const NOTHING_COUNTED: StepResults = { done: 0, failed: 0, retried: 0 };

const MOST_STREAKS = 64;

/** A step whose tasks fail here, one after the other. */
interface Streak {
  readonly job: string;
  readonly step: string;
  inARow: number;
  /** The ledger's counts for the step at its start; null: not available. */
  before: Promise<StepResults | null>;
  /** Failures of its tasks here since then. */
  failedHere: number;
}

/**
 * Decides whether the machine, not the jobs, is to blame for failing attempts (`--max-failures` in a group): that many
 * of one step failed here in a row, or of several with no success in between, while as many of their tasks succeeded
 * elsewhere, with at most half as many failed attempts. If others fail too, or there are none, the worker stays, as
 * leaving would not help. Other steps that succeed here don't count: they may need less of a machine.
 */
export class WorkerHealth {
  readonly #max: number;
  readonly #ledger: () => Promise<Pick<Ledger, 'counts'>>;
  readonly #streaks = new Map<string, Streak>();
  /** Failures since the last success here. */
  readonly #failingSteps = new Set<Streak>();
  #inARow = 0;

  constructor(max: number, ledger: () => Promise<Pick<Ledger, 'counts'>>) {
    this.#max = max;
    this.#ledger = ledger;
  }

  /** Counts a recorded outcome. True: a failure, so a verdict is due. */
  note({ outcome, task }: Pick<SettleItem, 'outcome' | 'task'>): boolean {
    if (task === null) return false;
    const { job, step } = task.message;
    if (outcome.kind === 'published') this.#succeeded(`${job}/${step}`);
    if (outcome.kind !== 'retry' && outcome.kind !== 'failed') return false;
    this.#failed(job, step);
    return true;
  }

  /** Why the worker should remove itself; null: it should not. Never rejects. */
  async verdict(): Promise<BatchctlError | null> {
    const suspect = [...this.#streaks.values()].filter(({ inARow }) => inARow >= this.#max).map((streak) => [streak]);
    if (this.#inARow >= this.#max && this.#failingSteps.size > 1) suspect.push([...this.#failingSteps]);
    for (const streaks of suspect) {
      const reason = await this.#blame(streaks);
      if (reason !== null) return reason;
    }
    return null;
  }

  #succeeded(name: string): void {
    this.#streaks.delete(name);
    this.#failingSteps.clear();
    this.#inARow = 0;
  }

  #failed(job: string, step: string): void {
    const name = `${job}/${step}`;
    const known = this.#streaks.get(name);
    // The first failure is in the ledger already.
    const streak = known ?? { job, step, inARow: 0, before: this.#countsOf(job, step), failedHere: -1 };
    streak.inARow += 1;
    streak.failedHere += 1;
    this.#inARow += 1;
    this.#failingSteps.add(streak);
    // The latest failure is last, so that old jobs are forgotten first.
    this.#streaks.delete(name);
    this.#streaks.set(name, streak);
    for (const [oldest] of this.#streaks) {
      if (this.#streaks.size <= MOST_STREAKS) break;
      this.#streaks.delete(oldest);
    }
  }

  async #blame(streaks: readonly Streak[]): Promise<BatchctlError | null> {
    const seen = await Promise.all(
      streaks.map(async (streak) => ({ streak, elsewhere: await this.#elsewhere(streak) })),
    );
    const inARow = sum(seen.map(({ streak }) => streak.inARow));
    const [done, failed] = [
      sum(seen.map(({ elsewhere }) => elsewhere.done)),
      sum(seen.map(({ elsewhere }) => elsewhere.failed)),
    ];
    if (done < this.#max || 2 * failed > done) return null;
    const names = seen.map(({ streak: { job, step } }) => `${job}/${step}`).join(', ');
    return new BatchctlError(
      'refused',
      `${inARow} attempts in a row failed on this worker, while elsewhere ${done} tasks of ${names} succeeded and ${failed} attempts failed (--max-failures)`,
      {
        hint: 'its instance is terminated; batchctl workers logs WORKER, and the log of one of the attempts, show more',
      },
    );
  }

  /** Results of the step's tasks on other workers since the streak began here. */
  async #elsewhere(streak: Streak): Promise<{ readonly done: number; readonly failed: number }> {
    const { job, step, failedHere } = streak;
    const [was, is] = await Promise.all([streak.before, this.#countsOf(job, step)]);
    if (was !== null && is !== null) {
      return { done: is.done - was.done, failed: Math.max(0, failures(is) - failures(was) - failedHere) };
    }
    // Earlier results are unknown: it starts now.
    Object.assign(streak, { before: Promise.resolve(is), failedHere: 0 });
    return { done: 0, failed: 0 };
  }

  async #countsOf(job: string, step: string): Promise<StepResults | null> {
    try {
      const counts = await (await this.#ledger()).counts(job);
      return counts.find((one) => one.step === step) ?? NOTHING_COUNTED;
    } catch {
      return null;
    }
  }
}

const failures = ({ failed, retried }: StepResults): number => failed + retried;
