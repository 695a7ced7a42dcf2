import type { Clock } from '../../lib/clock.ts';
import { BOUNDS } from './bounds.ts';

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 60_000;
/** After so long without a failed try an address begins anew. */
const FORGOTTEN = 600_000;

interface Tries {
  readonly count: number;
  /** Monotonic milliseconds. */
  readonly last: number;
}

/** Failed tries by address, so that who guesses asks the store seldom. Its memory is bounded: the oldest are forgotten. */
export class FailedTries {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** The latest last. */
  readonly #tries = new Map<string, Tries>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Milliseconds until the address may try again; 0: now. */
  waitOf(address: string): number {
    const tries = this.#of(address);
    if (tries === null || tries.count < BOUNDS.tries.value) return 0;
    const wait = Math.min(FIRST_WAIT * 2 ** (tries.count - BOUNDS.tries.value), LONGEST_WAIT);
    return Math.max(0, tries.last + wait - this.#clock.monotonic());
  }

  failed(address: string): void {
    const network = networkOf(address);
    const count = (this.#of(address)?.count ?? 0) + 1;
    this.#tries.delete(network);
    this.#tries.set(network, { count, last: this.#clock.monotonic() });
    const [oldest] = this.#tries.keys();
    if (this.#tries.size > BOUNDS.addresses.value && oldest !== undefined) this.#tries.delete(oldest);
  }

  #of(address: string): Tries | null {
    const tries = this.#tries.get(networkOf(address));
    return tries === undefined || this.#clock.monotonic() - tries.last > FORGOTTEN ? null : tries;
  }
}

/** An address as tries are counted: of IPv6 its network of 64 bits, as whoever has one address has them all. */
export function networkOf(address: string): string {
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined || !address.includes(':')) return v4 ?? address;
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? [];
  const [front, back] = [head, tail].map((half) => half.split(':').filter(Boolean)) as [string[], string[]];
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  const groups = [...front, ...(address.includes('::') ? zeros : []), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`;
}
