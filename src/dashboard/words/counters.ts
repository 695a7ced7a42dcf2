/** A counter of a step, summed over its tasks. */
export interface Counter {
  readonly step: string;
  readonly name: string;
  /** An exact decimal, its digits in threes. */
  readonly value: string;
}

/** What the answer holds, in its order. */
export function countersOf(counters: Readonly<Record<string, Readonly<Record<string, string>>>>): readonly Counter[] {
  return Object.entries(counters).flatMap(([step, of]) =>
    Object.entries(of).map(([name, value]) => ({ step, name, value: inThrees(value) })),
  );
}

/** `-1234567.891` as `-1,234,567.891`. No digit is lost: it may be money. */
function inThrees(decimal: string): string {
  const [whole = '', ...rest] = decimal.split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.');
}
