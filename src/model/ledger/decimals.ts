import Big from 'big.js';
import { BatchctlError } from '../../errors.ts';

/** Sums by counter's name. */
export type DecimalSums = Map<string, Big>;

/** The maximum number of digits before the point, so that `1e999999999` can't fill the memory; workers allow 40. */
const MAX_EXPONENT = 1000;

/**
 * Checks that all counters are exact decimals (`12.50`, `-3`, `1e30`), before anything is written. Throws `refused` for
 * other texts, and for more than 1,000 digits.
 */
export function checkCounters(counters: Readonly<Record<string, string>>): void {
  for (const name in counters) checkDecimal(counters[name] ?? '');
}

function checkDecimal(text: string): void {
  let value: Big;
  try {
    value = Big(text);
  } catch (cause) {
    throw new BatchctlError(
      'refused',
      `expected a decimal number in a counter, found ${JSON.stringify(text.slice(0, 80))}`,
      { cause, hint: 'write lines "name value" to $BATCHCTL_COUNTERS, such as "claims 12.50"' },
    );
  }
  if (Math.abs(value.e) > MAX_EXPONENT || value.c.length > MAX_EXPONENT) {
    throw new BatchctlError(
      'refused',
      `expected a counter of at most ${MAX_EXPONENT} digits, found ${text.slice(0, 80)}`,
      { hint: 'count in a larger unit' },
    );
  }
}

/** Adds (or with -1 subtracts) counters, already checked, to sums. */
export function addDecimals(sums: DecimalSums, counters: Readonly<Record<string, string>>, by: 1 | -1): void {
  for (const name in counters) {
    const text = counters[name];
    if (text === undefined) continue;
    const value = Big(text);
    const sum = sums.get(name);
    if (sum === undefined) sums.set(name, by === 1 ? value : value.neg());
    else sums.set(name, by === 1 ? sum.plus(value) : sum.minus(value));
  }
}

/** Sums as text without exponents, in ascending order of names. */
export function decimalTexts(sums: DecimalSums): Readonly<Record<string, string>> {
  const names = [...sums.keys()].sort();
  return Object.fromEntries(names.map((name) => [name, sums.get(name)?.toFixed() ?? '0']));
}
