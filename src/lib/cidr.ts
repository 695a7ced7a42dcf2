/** A CIDR block in EC2's form: bits after the prefix are 0, and IPv6 is in its shortest form. */
export function canonicalCidr(block: string): string {
  const [address = '', length = ''] = block.split('/');
  const bits = Number(length);
  return address.includes(':') ? `${networkOf6(address, bits)}/${bits}` : `${networkOf4(address, bits)}/${bits}`;
}

function networkOf4(address: string, bits: number): string {
  return masked(address.split('.').map(Number), 8, bits).join('.');
}

function networkOf6(address: string, bits: number): string {
  const [head = '', tail] = address.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const first = words(head);
  const last = tail === undefined ? [] : words(tail);
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const all = [...first, ...Array<number>(zeros).fill(0), ...last];
  const network = masked(all, 16, bits)
    .map((word) => word.toString(16))
    .join(':');
  // A URL's host has the shortest form (RFC 5952).
  return new URL(`http://[${network}]`).hostname.slice(1, -1);
}

/** The numbers, each `width` bits wide, with only the bits of the network. */
const masked = (numbers: readonly number[], width: number, bits: number): readonly number[] =>
  numbers.map((number, n) => {
    const kept = Math.min(width, Math.max(0, bits - n * width));
    return number & ~(2 ** (width - kept) - 1);
  });

/** Whether two blocks of IPv4 addresses overlap; false for blocks of IPv6. */
export function cidrsOverlap(one: string, other: string): boolean {
  if (one.includes(':') || other.includes(':')) return false;
  const bits = Math.min(...[one, other].map((block) => Number(block.split('/')[1])));
  const [first, second] = [one, other].map((block) => networkOf4(block.split('/')[0] ?? '', bits));
  return first === second;
}
