import { deadlineText, distanceText } from '../jobs/deadline-text.ts';
import { formatDistance, formatInstant } from '../lib/instant.ts';
import { formatCount, formatDuration, formatMany } from '../lib/units.ts';
import type { TaskParams } from '../model/part.ts';

export { deadlineText, distanceText, formatCount, formatDistance, formatInstant, formatMany };

/** Amounts and instants as text (sizes and durations: `lib/units.ts`); `--json` has plain values. */

/** `0.4/s`, `12/s`, `1,840/s` */
export function formatRate(perSecond: number): string {
  if (perSecond >= 9.95) return `${formatCount(Math.round(perSecond))}/s`;
  // Slow work also has a visible rate; 0.0/s would suggest that nothing moves.
  if (perSecond >= 0.095 || perSecond === 0) return `${perSecond.toFixed(1)}/s`;
  return perSecond * 60 >= 0.95 ? `${(perSecond * 60).toFixed(1)}/min` : `${(perSecond * 3_600).toFixed(1)}/h`;
}

/** `-1234567.891` as `-1,234,567.891`. Works on text so that no digit is lost: the value may be money. */
export function groupDigits(decimal: string): string {
  const [whole = '', ...rest] = decimal.split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.');
}

/** The same with a sign: `+1,204.5`, `-12`. */
export function signedDigits(decimal: string): string {
  return `${decimal.startsWith('-') ? '' : '+'}${groupDigits(decimal)}`;
}

/** `4m left`; at least `1s left`, as the job isn't done yet. `seconds` are seconds. */
export function formatLeft(seconds: number): string {
  return `${formatDuration(Math.max(1, seconds))} left`;
}

/** Replaces the ISO-8601 UTC instants of a text by those of `formatInstant`. */
export function localizeInstants(text: string, zone: string, now?: number): string {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, (instant) =>
    formatInstant(Date.parse(instant), zone, now),
  );
}

/** Whether a list of tasks shows their inputs: where these tell them apart. Parts of one file all have its name. */
export function shouldShowInputs(tasks: readonly { readonly input: string | null }[]): boolean {
  const inputs = new Set(tasks.map(({ input }) => input).filter((input) => input !== null));
  return inputs.size > 1 || (tasks.length === 1 && inputs.size === 1);
}

/** The names of the parameters of tasks, in the order of the split. */
export function paramNamesOf(tasks: readonly { readonly params?: TaskParams | null }[]): readonly string[] {
  const names = new Set<string>();
  for (const { params } of tasks) for (const name of Object.keys(params ?? {})) names.add(name);
  return [...names];
}
