import { BatchctlError } from '../errors.ts';
import type { GroupChange } from './group-status.ts';

/** The wanted size of a group, as its adapter stores it. */
export interface GroupSize {
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  readonly mode: 'auto' | 'manual';
  /** When a temporary size ends, milliseconds since the epoch. */
  readonly until: number | null;
  /** The size that it returns to then. */
  readonly after: number | null;
  /** Slots per worker; null: the worker decides. */
  readonly slots: number | null;
}

/** The size at an instant: a temporary one expires by itself. */
export function sizeAt(size: GroupSize, now: number): GroupSize {
  if (size.until === null || now < size.until) return size;
  return { ...size, desired: clamp(size.after ?? size.min, size), until: null, after: null };
}

/**
 * The size after a change; fields that the change omits stay. Changed bounds move the size into them, as Auto Scaling
 * does; a requested size must be within them. Throws `usage`.
 */
export function changeSize(group: string, size: GroupSize, change: GroupChange): GroupSize {
  const { desired: wanted, min = size.min, max = size.max, mode = size.mode, until = size.until } = change;
  for (const [name, value] of Object.entries({ desired: wanted, min, max, slots: change.slots })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= (name === 'slots' ? 1 : 0))) {
      throw new BatchctlError(
        'usage',
        `group ${group}: expected ${name} to be a whole number of at least 0 (slots: 1), found ${value}`,
      );
    }
  }
  if (min > max) {
    throw new BatchctlError('usage', `group ${group}: the minimum ${min} is above the maximum ${max}`, {
      hint: 'set both: --min and --max',
    });
  }
  if (wanted !== undefined && (wanted < min || wanted > max)) {
    throw new BatchctlError('usage', `group ${group} has ${min} to ${max} workers, not ${wanted}`, {
      hint: `batchctl scale ${wanted} --group ${group} ${wanted > max ? `--max ${wanted}` : `--min ${wanted}`}`,
    });
  }
  const desired = clamp(wanted ?? size.desired, { min, max });
  const after = until === null ? null : (size.after ?? size.desired);
  return { desired, min, max, mode, until, after, slots: change.slots ?? size.slots };
}

function clamp(value: number, bounds: { readonly min: number; readonly max: number }): number {
  return Math.min(Math.max(value, bounds.min), bounds.max);
}
