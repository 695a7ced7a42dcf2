import { BatchctlError } from '../errors.ts';
import type { Ledger, StepCounts } from '../ports/ledger.ts';
import type { Settling } from './settle.ts';

type Counted = Pick<StepCounts, 'done' | 'failed' | 'retried'>;
const NONE: Counted = { done: 0, failed: 0, retried: 0 };

/** What the ledger said of a step when its tasks began to fail here, and how often they did since. */
interface Since {
  readonly job: string;
  readonly step: string;
  /** Null: the ledger could not be asked. */
  before: Promise<Counted | null>;
  failedHere: number;
}

/**
 * Whether the machine, and not the jobs, is to blame for attempts that fail (`--max-failures` in a group): so many failed
 * here in a row, and meanwhile as many tasks of the same steps were done elsewhere, with half as many failed attempts at
 * most. Where others fail too, or there are no others, the worker stays: leaving would help nobody.
 */
export class Health {
  readonly #max: number;
  readonly #ledger: () => Promise<Ledger>;
  readonly #steps = new Map<string, Since>();
  #inARow = 0;

  constructor(max: number, ledger: () => Promise<Ledger>) {
    this.#max = max;
    this.#ledger = ledger;
  }

  /** Counts an outcome that is recorded. */
  note({ outcome, task }: Pick<Settling, 'outcome' | 'task'>): void {
    if (outcome.kind === 'published') {
      this.#inARow = 0;
      this.#steps.clear();
    }
    if (task === null || (outcome.kind !== 'retry' && outcome.kind !== 'failed')) return;
    this.#inARow += 1;
    const { job, step } = task.message;
    const known = this.#steps.get(`${job}/${step}`);
    if (known !== undefined) known.failedHere += 1;
    // The failure that begins it is in the ledger already.
    else this.#steps.set(`${job}/${step}`, { job, step, before: this.#countsOf(job, step), failedHere: 0 });
  }

  /** Why the worker should take itself out; null: it should not. Never rejects. */
  async verdict(): Promise<BatchctlError | null> {
    if (this.#inARow < this.#max) return null;
    const [inARow, steps] = [this.#inARow, [...this.#steps.values()]];
    let [done, failed] = [0, 0];
    for (const since of steps) {
      const { job, step, failedHere } = since;
      const [was, is] = await Promise.all([since.before, this.#countsOf(job, step)]);
      if (was === null || is === null) {
        // What came before is not known: it begins now.
        Object.assign(since, { before: Promise.resolve(is), failedHere: 0 });
        continue;
      }
      done += is.done - was.done;
      failed += Math.max(0, failures(is) - failures(was) - failedHere);
    }
    if (done < this.#max || 2 * failed > done) return null;
    const names = steps.map(({ job, step }) => `${job}/${step}`).join(', ');
    return new BatchctlError(
      'refused',
      `${inARow} attempts in a row failed on this worker, while elsewhere ${done} tasks of ${names} were done and ${failed} attempts failed (--max-failures)`,
      { hint: 'its machine is ended; batchctl workers logs WORKER, and the log of one of the attempts, say more' },
    );
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
