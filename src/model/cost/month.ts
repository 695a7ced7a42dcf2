import { instantsOf, wallTime } from '../wall-time.ts';
import type { While } from './paid-machine.ts';

/** The calendar month of a zone up to now, milliseconds since the epoch. */
export function monthUpTo(now: number, zone: string): While {
  const { year, month } = wallTime(now, zone);
  const [from] = instantsOf({ year, month, day: 1, hour: 0, minute: 0, second: 0 }, zone);
  return { from, to: now };
}
