import { formatDistance, formatInstant } from '../../cli/format.ts';
import { now, zone } from '../clock.ts';

interface WhenProps {
  /** ISO-8601; null: nobody knows. */
  readonly at: string | null | undefined;
  readonly unknown?: string;
}

/** An instant with zone and distance. */
export function When({ at, unknown = '–' }: WhenProps) {
  if (at === null || at === undefined) return <span class="unknown">{unknown}</span>;
  const instant = Date.parse(at);
  return (
    <time dateTime={at} class="when">
      {formatInstant(instant, zone)} <span class="muted">({formatDistance(instant - now.value)})</span>
    </time>
  );
}

/** The distance alone, with the instant for who asks: where rows are many. */
export function Ago({ at, unknown = '–' }: WhenProps) {
  if (at === null || at === undefined) return <span class="unknown">{unknown}</span>;
  const instant = Date.parse(at);
  return (
    <time dateTime={at} title={formatInstant(instant, zone)} class="when">
      {formatDistance(instant - now.value)}
    </time>
  );
}
