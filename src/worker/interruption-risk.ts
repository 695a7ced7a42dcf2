import type { Ledger } from '../ports/ledger.ts';
import type { AdmittedTask } from './admitted-task.ts';
import type { MachineTimes } from './worker-setup.ts';

/** Known durations of a step's tasks; null: none. */
type StepTime = { readonly done: number; readonly seconds: number } | null;

/**
 * Whether a task would probably not finish before a spot instance is interrupted, if the notice of two minutes came at
 * its start. Uses the mean of the step's done tasks; without any, it counts as short.
 */
export function isLong(timeoutSeconds: number, known: StepTime, longSeconds: number): boolean {
  if (timeoutSeconds <= longSeconds || known === null || known.done === 0) return false;
  return known.seconds / known.done > longSeconds;
}

/** The maximum number of times that a task is left, by all machines together: after that, no other machine takes it. */
const TIMES_LEFT = 4;
/** A task that is left is away for this part of the time at risk: 15 seconds. */
const AWAY_FRACTION = 1 / 40;

interface RiskOptions {
  readonly ledger: () => Promise<Pick<Ledger, 'counts'>>;
  readonly times: Pick<MachineTimes, 'longSeconds' | 'riskMs'>;
  readonly monotonic: () => number;
}

/**
 * The time after EC2 has reported a machine at elevated risk of interruption (rebalance recommendation): long tasks are
 * left to other machines. Only for a while, because most such machines are never interrupted; and only while other
 * machines take them, because the report often reaches a whole pool at once.
 */
export class InterruptionRisk {
  readonly #o: RiskOptions;
  #until = Number.NEGATIVE_INFINITY;
  /** When a task was last left, and when the run of tasks left one after the other began. */
  #deferredAt = Number.NEGATIVE_INFINITY;
  #deferringSince = Number.NEGATIVE_INFINITY;
  readonly #known = new Map<string, { readonly at: number; readonly steps: ReadonlyMap<string, StepTime> }>();

  constructor(options: RiskOptions) {
    this.#o = options;
  }

  begin(): void {
    this.#until = this.#o.monotonic() + this.#o.times.riskMs;
  }

  /** Seconds for which the task is left to other machines; null: it is taken. Never rejects: in doubt it is taken. */
  async deferSeconds({
    delivery,
    message,
    step,
  }: Pick<AdmittedTask, 'delivery' | 'message' | 'step'>): Promise<number | null> {
    if (this.#o.monotonic() >= this.#until || delivery.receiveCount > TIMES_LEFT) return null;
    const { longSeconds, riskMs } = this.#o.times;
    const known = await this.#stepTimesOf(message.job).catch(() => null);
    if (!isLong(step.timeout, known?.get(step.name) ?? null, longSeconds)) return null;
    const [now, awayMs] = [this.#o.monotonic(), riskMs * AWAY_FRACTION];
    if (now - this.#deferredAt >= awayMs) this.#deferringSince = now;
    this.#deferredAt = now;
    if (now - this.#deferringSince < TIMES_LEFT * awayMs) return awayMs / 1_000;
    // Long tasks keep coming: other machines don't take them all.
    this.#until = Number.NEGATIVE_INFINITY;
    return null;
  }

  async #stepTimesOf(job: string): Promise<ReadonlyMap<string, StepTime>> {
    const now = this.#o.monotonic();
    const before = this.#known.get(job);
    if (before !== undefined && now - before.at < this.#o.times.riskMs * AWAY_FRACTION) return before.steps;
    const counts = await (await this.#o.ledger()).counts(job);
    const steps = new Map(counts.map(({ step, done, seconds }) => [step, { done, seconds }]));
    this.#known.set(job, { at: now, steps });
    return steps;
  }
}
