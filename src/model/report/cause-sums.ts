import { causeId, causeText, foldError } from '../cause.ts';
import type { AttemptFacts } from './attempt-facts.ts';
import type { CauseReport } from './report.ts';

/** So many causes are kept apart; what comes after them is one cause a step. */
const KEPT = 1_000;
/** So many are reported, most attempts first. */
const SHOWN = 50;
/** Raw error lines whose cause is remembered: folding costs more than all else. */
const REMEMBERED = 10_000;
const OTHERS = 'many different errors';

interface Sum {
  readonly cause: string;
  readonly step: string;
  readonly reason: string;
  readonly exitCode: number | null;
  readonly error: string;
  attempts: number;
  forGood: number;
  badInput: number;
  firstAt: number;
  lastAt: number;
  example: AttemptFacts;
}

/** Failed attempts by cause. */
export class CauseSums {
  readonly #sums = new Map<string, Sum>();
  readonly #known = new Map<string, Sum>();

  /** A failed attempt that ended at `at`; `forGood` when its task stands failed by it, `badInput` if on several workers. */
  add(facts: AttemptFacts, at: number, { forGood, badInput }: { forGood: boolean; badInput: boolean }): void {
    const sum = this.#sumOf(facts, at);
    sum.attempts += 1;
    if (forGood) sum.forGood += 1;
    if (badInput) sum.badInput += 1;
    sum.lastAt = Math.max(sum.lastAt, at);
    if (at >= sum.firstAt) return;
    sum.firstAt = at;
    sum.example = facts;
  }

  /** Those with most attempts, most first; `logOf` spells the example's log. */
  reports(logOf: (facts: AttemptFacts) => string): readonly CauseReport[] {
    return [...this.#sums.values()]
      .sort((a, b) => b.attempts - a.attempts || a.firstAt - b.firstAt)
      .slice(0, SHOWN)
      .map(({ cause, step, reason, exitCode, error, attempts, forGood, badInput, firstAt, lastAt, example }) => ({
        ...{ cause, step, reason, exitCode, error, attempts, forGood, badInput },
        firstAt: new Date(firstAt).toISOString(),
        lastAt: new Date(lastAt).toISOString(),
        example: { task: `${example.step}/${example.task}`, error: example.error, log: logOf(example) },
      }));
  }

  #sumOf(facts: AttemptFacts, at: number): Sum {
    const { step, exitCode, error } = facts;
    const reason = facts.reason ?? 'unknown';
    const raw = `${step} ${reason} ${exitCode} ${error}`;
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    const cause = { step, reason, exitCode, error };
    const text = causeText(cause);
    const full = this.#sums.size >= KEPT && !this.#sums.has(text);
    const key = full ? `${step} ${OTHERS}` : text;
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      const of = full ? { ...cause, reason: 'other', exitCode: null, error: OTHERS } : cause;
      sum = {
        ...of,
        cause: causeId(of),
        error: of.error === null ? '' : foldError(of.error),
        ...{ attempts: 0, forGood: 0, badInput: 0, firstAt: at, lastAt: at, example: facts },
      };
      this.#sums.set(key, sum);
    }
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(raw, sum);
    return sum;
  }
}
