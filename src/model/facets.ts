/**
 * What the tasks of a failure's cause have in common that other tasks lack. The test is Fisher's exact test, one-sided:
 * how likely so many of the cause's tasks have a value if causes and values were unrelated (the upper tail of the
 * hypergeometric distribution). Its result is multiplied by the number of values that might have been found (Bonferroni): a
 * value that one in 15 tasks has is taken as one of 15.
 */

/** The properties that are compared, the more specific first: of equal ones the first is reported. */
export const FACET_KINDS = ['param', 'input', 'directory', 'host', 'instanceType', 'zone', 'version', 'hour'] as const;
export type FacetKind = (typeof FACET_KINDS)[number];

/** A property of a task. `name`: that of the parameter; null for other kinds. */
export interface Trait {
  readonly kind: FacetKind;
  readonly name: string | null;
  readonly value: string;
}

export interface Facet extends Trait {
  /** How many of the cause's tasks have it, and how many there are. */
  readonly count: number;
  readonly of: number;
  /** How many of the other tasks that ended have it, and how many there are. */
  readonly others: number;
  readonly ofOthers: number;
}

/** A facet is reported if chance explains it with less than this probability, corrected. */
const MAX_CHANCE = 0.01;
/** A value whose estimated chance is above this is not counted among the other tasks. */
const MAX_ESTIMATE = 0.05;
const FEWEST_TASKS = 2;
/** The part of a cause's tasks that must have it. */
const LEAST_SHARE = 0.5;
/** Most facets of a cause. */
const MOST_FACETS = 3;
/** Values of one property of a cause that are kept: any that half of the tasks have is among them. */
const VALUES_KEPT = 16;

/** The values of one property of a cause's tasks, in bounded memory (Misra and Gries, 1982). */
class FrequentValues {
  readonly #counts = new Map<string, number>();
  #tried = 0;

  /** At least the number of different values. */
  get tried(): number {
    return this.#tried;
  }

  add(value: string): void {
    const count = this.#counts.get(value);
    if (count !== undefined) {
      this.#counts.set(value, count + 1);
      return;
    }
    this.#tried += 1;
    if (this.#counts.size < VALUES_KEPT) {
      this.#counts.set(value, 1);
      return;
    }
    for (const [kept, times] of this.#counts) {
      if (times === 1) this.#counts.delete(kept);
      else this.#counts.set(kept, times - 1);
    }
  }

  /** Values that at least half of `tasks` may have, with an upper bound of their count. */
  frequent(tasks: number): readonly (readonly [value: string, atMost: number])[] {
    const lost = this.#tried <= VALUES_KEPT ? 0 : Math.floor(tasks / (VALUES_KEPT + 1));
    return [...this.#counts]
      .map(([value, count]) => [value, count + lost] as const)
      .filter(([, atMost]) => atMost >= tasks * LEAST_SHARE);
  }
}

interface Candidate<Cause> extends Trait {
  readonly cause: Cause;
  count: number;
  others: number;
}

const propertyOf = ({ kind, name }: Trait): string => `${kind} ${name ?? ''}`;
const traitKey = (trait: Trait): string => `${propertyOf(trait)}\0${trait.value}`;

/**
 * Compares causes. First `addFailed` for each failed task; then, if there are `suspects`, `count` for each failed task
 * again and for each other task that ended; then `facets`. Causes are compared by identity.
 */
export class FacetTable<Cause> {
  readonly #causes = new Map<Cause, { tasks: number; readonly values: Map<string, [Trait, FrequentValues]> }>();
  readonly #suspects = new Map<string, Candidate<Cause>[]>();
  /** Values that the causes' tasks have, and properties of causes. */
  #tried = 0;
  #properties = 0;
  #counted = 0;

  addFailed(cause: Cause, traits: readonly Trait[]): void {
    const known = this.#causes.get(cause) ?? { tasks: 0, values: new Map<string, [Trait, FrequentValues]>() };
    this.#causes.set(cause, known);
    known.tasks += 1;
    for (const trait of traits) {
      const property = propertyOf(trait);
      const [, values] = known.values.get(property) ?? [trait, new FrequentValues()];
      known.values.set(property, [trait, values]);
      values.add(trait.value);
    }
  }

  /**
   * Whether any value may be a facet, so that the other tasks must be counted. `shareOf` estimates the share of all
   * tasks that have a trait; null: unknown.
   */
  findSuspects(shareOf: (trait: Trait) => number | null): boolean {
    for (const [cause, { tasks, values }] of this.#causes) {
      for (const [{ kind, name }, seen] of values.values()) {
        this.#tried += seen.tried;
        this.#properties += 1;
        if (tasks < FEWEST_TASKS) continue;
        for (const [value, atMost] of seen.frequent(tasks)) {
          const trait = { kind, name, value };
          const share = shareOf(trait);
          if (share !== null && binomialTail(atMost, tasks, share) > MAX_ESTIMATE) continue;
          const key = traitKey(trait);
          this.#suspects.set(key, [...(this.#suspects.get(key) ?? []), { ...trait, cause, count: 0, others: 0 }]);
        }
      }
    }
    return this.#suspects.size > 0;
  }

  /** Counts a task that ended; `cause` is null if it did not fail for good. */
  count(cause: Cause | null, traits: readonly Trait[]): void {
    this.#counted += 1;
    for (const trait of traits) {
      for (const suspect of this.#suspects.get(traitKey(trait)) ?? []) {
        if (suspect.cause === cause) suspect.count += 1;
        else suspect.others += 1;
      }
    }
  }

  #possible({ count, of, others, ofOthers }: Facet): number {
    return Math.max(this.#tried, (this.#properties * (of + ofOthers)) / (count + others));
  }

  /** The facets of a cause, the least likely by chance first. */
  facets(cause: Cause): readonly Facet[] {
    const of = this.#causes.get(cause)?.tasks ?? 0;
    const ofOthers = this.#counted - of;
    const found = [...this.#suspects.values()]
      .flat()
      .filter((suspect) => suspect.cause === cause && suspect.count >= Math.max(FEWEST_TASKS, of * LEAST_SHARE))
      .map(({ kind, name, value, count, others }) => ({ kind, name, value, count, of, others, ofOthers }))
      .map((facet) => ({ facet, chance: chanceOf(facet) * this.#possible(facet) }))
      .filter(({ chance }) => chance <= MAX_CHANCE)
      .sort((a, b) => a.chance - b.chance || kindOrder(a.facet) - kindOrder(b.facet))
      .map(({ facet }) => facet);
    const isTwin = (a: Facet, b: Facet): boolean => a.count === b.count && a.others === b.others;
    return found.filter((facet, at) => found.findIndex((other) => isTwin(facet, other)) === at).slice(0, MOST_FACETS);
  }
}

const kindOrder = ({ kind }: Facet): number => FACET_KINDS.indexOf(kind);

/** The probability that at least as many of the cause's tasks have the value by chance; 1 if it has no more than its share. */
export function chanceOf({ count, of, others, ofOthers }: Omit<Facet, keyof Trait>): number {
  const [all, having] = [of + ofOthers, count + others];
  if (count * all <= of * having) return 1;
  const most = Math.min(of, having);
  let term = Math.exp(logChoose(having, count) + logChoose(all - having, of - count) - logChoose(all, of));
  let sum = 0;
  for (let k = count; k <= most && term > 0; k += 1) {
    sum += term;
    if (term < sum * Number.EPSILON) break;
    term *= ((having - k) * (of - k)) / ((k + 1) * (all - having - of + k + 1));
  }
  return Math.min(1, sum);
}

/** The probability of at least `k` of `n`, each with probability `p`; 1 if that is no more than to be expected. */
export function binomialTail(k: number, n: number, p: number): number {
  if (k <= n * p) return 1;
  if (p <= 0) return 0;
  let term = Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p));
  let sum = 0;
  for (let at = k; at <= n && term > 0; at += 1) {
    sum += term;
    if (term < sum * Number.EPSILON) break;
    term *= ((n - at) / (at + 1)) * (p / (1 - p));
  }
  return Math.min(1, sum);
}

function logChoose(n: number, k: number): number {
  return k < 0 || k > n ? Number.NEGATIVE_INFINITY : logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** Stirling's series from 32 on, where its error is below 1e-15. */
function logFactorial(n: number): number {
  if (n < 32) {
    let product = 1;
    for (let i = 2; i <= n; i += 1) product *= i;
    return Math.log(product);
  }
  const inverse = 1 / n;
  const correction = inverse / 12 - inverse ** 3 / 360 + inverse ** 5 / 1_260;
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + correction;
}

/** `all 14 have seed=2; of 286 others 12 do` */
export function facetText(facet: Facet): string {
  const { count, of, others, ofOthers } = facet;
  const [has, do_] = wordsOf(facet);
  const who = count === of ? (of === 2 ? 'both' : `all ${number(of)}`) : `${number(count)} of ${number(of)}`;
  const rest =
    ofOthers === 0
      ? 'there are no others'
      : `of ${number(ofOthers)} others ${others === 0 ? 'none' : number(others)} ${do_}`;
  return `${who} ${has}; ${rest}`;
}

const number = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

function wordsOf({ kind, name, value }: Trait): readonly [string, string] {
  switch (kind) {
    case 'param':
      return [`have ${name}=${value}`, 'do'];
    case 'input':
      return [`read ${value}`, 'do'];
    case 'directory':
      return [`read files in ${value}`, 'do'];
    case 'host':
      return [`ran on host ${value}`, 'did'];
    case 'instanceType':
      return [`ran on a ${value}`, 'did'];
    case 'zone':
      return [`ran in ${value}`, 'did'];
    case 'version':
      return [`ran on workers of batchctl ${value}`, 'did'];
    case 'hour':
      return [`ended between ${value} and ${nextHour(value)} UTC`, 'did'];
    default:
      return kind satisfies never;
  }
}

const nextHour = (hour: string): string => `${String((Number.parseInt(hour, 10) + 1) % 24).padStart(2, '0')}:00`;
