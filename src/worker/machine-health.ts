import { BatchctlError } from '../errors.ts';
import { sum } from '../model/load.ts';
import type { Ledger, StepCounts } from '../ports/ledger.ts';
import type { Settling } from './settle.ts';

type Counted = Pick<StepCounts, 'done' | 'failed' | 'retried'>;
const NONE: Counted = { done: 0, failed: 0, retried: 0 };

/** Streaks that are kept. */
const MOST = 64;

/** A step whose tasks fail here, one after the other. */
interface Streak {
  readonly job: string;
  readonly step: string;
  inARow: number;
  /** What the ledger said of the step as it began; null: it could not be asked. */
  before: Promise<Counted | null>;
  /** How often its tasks failed here since. */
  failedHere: number;
}

/**
 * Whether the machine, and not the jobs, is to blame for attempts that fail (`--max-failures` in a group): so many of one
 * step failed here in a row, or of several with nothing done between, and meanwhile as many of their tasks were done
 * elsewhere, with half as many failed attempts at most. Where others fail too, or there are no others, the worker stays:
 * leaving would help nobody. Other steps that succeed here don't speak for it: they may need less of a machine.
 */
export class Health {
  readonly #max: number;
  readonly #ledger: () => Promise<Pick<Ledger, 'counts'>>;
  readonly #streaks = new Map<string, Streak>();
  /** Those that failed since anything was done here. */
  readonly #together = new Set<Streak>();
  #inARow = 0;

  constructor(max: number, ledger: () => Promise<Pick<Ledger, 'counts'>>) {
    this.#max = max;
    this.#ledger = ledger;
  }

  /** Counts an outcome that is recorded. True: a failure, so that it is time for a verdict. */
  note({ outcome, task }: Pick<Settling, 'outcome' | 'task'>): boolean {
    if (task === null) return false;
    const { job, step } = task.message;
    if (outcome.kind === 'published') this.#succeeded(`${job}/${step}`);
    if (outcome.kind !== 'retry' && outcome.kind !== 'failed') return false;
    this.#failed(job, step);
    return true;
  }

  /** Why the worker should take itself out; null: it should not. Never rejects. */
  async verdict(): Promise<BatchctlError | null> {
    const suspect = [...this.#streaks.values()].filter(({ inARow }) => inARow >= this.#max).map((streak) => [streak]);
    if (this.#inARow >= this.#max && this.#together.size > 1) suspect.push([...this.#together]);
    for (const streaks of suspect) {
      const reason = await this.#blame(streaks);
      if (reason !== null) return reason;
    }
    return null;
  }

  #succeeded(name: string): void {
    this.#streaks.delete(name);
    this.#together.clear();
    this.#inARow = 0;
  }

  #failed(job: string, step: string): void {
    const name = `${job}/${step}`;
    const known = this.#streaks.get(name);
    // The failure that begins it is in the ledger already.
    const streak = known ?? { job, step, inARow: 0, before: this.#countsOf(job, step), failedHere: -1 };
    streak.inARow += 1;
    streak.failedHere += 1;
    this.#inARow += 1;
    this.#together.add(streak);
    // The one that failed last comes last: what is forgotten is of jobs that are long over.
    this.#streaks.delete(name);
    this.#streaks.set(name, streak);
    for (const [oldest] of this.#streaks) {
      if (this.#streaks.size <= MOST) break;
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

  /** What became of the step's tasks on other workers since the streak began here. */
  async #elsewhere(streak: Streak): Promise<{ readonly done: number; readonly failed: number }> {
    const { job, step, failedHere } = streak;
    const [was, is] = await Promise.all([streak.before, this.#countsOf(job, step)]);
    if (was !== null && is !== null) {
      return { done: is.done - was.done, failed: Math.max(0, failures(is) - failures(was) - failedHere) };
    }
    // What came before is not known: it begins now.
    Object.assign(streak, { before: Promise.resolve(is), failedHere: 0 });
    return { done: 0, failed: 0 };
  }

  async #countsOf(job: string, step: string): Promise<Counted | null> {
    try {
      const counts = await (await this.#ledger()).counts(job);
      return counts.find((one) => one.step === step) ?? NONE;
    } catch {
      return null;
    }
  }
}

const failures = ({ failed, retried }: Counted): number => failed + retried;
