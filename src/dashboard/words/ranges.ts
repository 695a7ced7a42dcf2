/** `0-4,17` as the numbers that it names, at most `most` of them. */
export function numbersIn(ranges: string, most: number): readonly number[] {
  const numbers: number[] = [];
  for (const range of ranges.split(',').filter(Boolean)) {
    const [from = 0, to = from] = range.split('-').map(Number);
    for (let n = from; n <= to && numbers.length < most; n += 1) numbers.push(n);
  }
  return numbers;
}
