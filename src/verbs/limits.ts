import { BatchctlError } from '../errors.ts';
import { formatInstant } from '../lib/instant.ts';
import { parseTime } from './times.ts';
import type { VerbContext } from './verb.ts';

type Timed = Pick<VerbContext, 'zone' | 'clock'>;

/** The start time of a job as ISO-8601 UTC, from `now` or a future time. Throws `usage`. */
export async function beginningOf(context: Timed, text: string): Promise<string> {
  return text.trim().toLowerCase() === 'now'
    ? new Date(context.clock.now()).toISOString()
    : timeToCome(context, '--at', text);
}

/** A deadline as ISO-8601 UTC. Throws `usage` for an invalid or past time. */
export function deadlineOf(context: Timed, text: string): Promise<string> {
  return timeToCome(context, '--finish-by', text);
}

export async function timeToCome(context: Timed, flag: string, text: string): Promise<string> {
  const [zone, now] = [await context.zone(), context.clock.now()];
  const instant = parseTime(text, { now, zone });
  if (instant <= now) {
    throw new BatchctlError(
      'usage',
      `${flag} ${text}: expected a future time, found ${formatInstant(instant, zone, now)}`,
      {
        hint: 'use "in 6h", "tomorrow 06:00", or a future date and time',
      },
    );
  }
  return new Date(instant).toISOString();
}

/** Throws `usage` if the profile has no prices, because the limit could not be enforced. */
export async function refuseCost(context: Pick<VerbContext, 'config'>): Promise<void> {
  const { profile } = await context.config();
  if (profile.backend !== 'local') return;
  throw new BatchctlError('usage', `--max-cost: nothing on profile ${profile.name} costs anything`, {
    hint: 'omit it; --finish-by limits time',
  });
}

/** Dollars, for `parsed`. Throws a RangeError. */
export function dollars(text: string): number {
  const value = /^\$?\d+(\.\d{1,2})?$/.test(text) ? Number(text.replace('$', '')) : Number.NaN;
  if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER))
    throw new RangeError(`expected an amount in US dollars such as 100 or 12.50, found "${text}"`);
  return value;
}
