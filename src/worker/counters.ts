import { Big } from 'big.js';

/**
 * Parses `$BATCHCTL_COUNTERS`: lines `name value`, with a decimal value with or without a sign (`12.50`, `-3`, `+5`);
 * repeated names are added up. Throws a RangeError.
 */
export function parseCounters(text: string): Readonly<Record<string, string>> {
  const sums = new Map<string, Big>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const match = /^\s*([A-Za-z][A-Za-z0-9_.-]{0,63})\s+(?:\+(?!-))?(-?\d{1,40}(?:\.\d{1,20})?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new RangeError(`line ${index + 1} of $BATCHCTL_COUNTERS is not "name value": ${line.slice(0, 80)}`);
    }
    sums.set(match[1], (sums.get(match[1]) ?? Big(0)).plus(match[2]));
  }
  if (sums.size > 100)
    throw new RangeError(`$BATCHCTL_COUNTERS has ${sums.size} counters, but at most 100 are allowed`);
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum.toFixed()]));
}
