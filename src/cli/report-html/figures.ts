import { formatDuration } from '../../lib/units.ts';
import { wallTime } from '../../model/wall-time.ts';
import { formatCount } from '../format.ts';
import { type Html, html } from './html.ts';

/** A figure, or a note that it is unknown. */
export function formatOrUnknown<T>(value: T | null, format: (value: T) => string | Html): string | Html {
  return value === null ? html`<span class="unknown">not known</span>` : format(value);
}

/** `950`, `1.2k`, `35k`, `1.5M`: short enough for an axis. */
export function formatShort(count: number): string {
  if (count < 1000) return String(Number(count.toPrecision(3)));
  const [value, unit] = count < 999_500 ? [count / 1e3, 'k'] : [count / 1e6, 'M'];
  return `${Number(value.toPrecision(3))}${unit}`;
}

/** The unit in which a rate (per second) is at least 1; otherwise hours. */
export function rateUnit(perSecond: number): {
  readonly name: string;
  readonly sign: string;
  readonly seconds: number;
} {
  if (perSecond >= 1) return { name: 'second', sign: '/s', seconds: 1 };
  if (perSecond * 60 >= 1) return { name: 'minute', sign: '/min', seconds: 60 };
  return { name: 'hour', sign: '/h', seconds: 3600 };
}

/** `12.4/s`, `3/min`, `0.5/h` */
export function formatPace(perSecond: number): string {
  const { sign, seconds } = rateUnit(perSecond);
  const value = perSecond * seconds;
  return `${value < 100 ? Number(value.toFixed(1)) : formatCount(Math.round(value))}${sign}`;
}

/** `2h5m` rather than `2 h 5 min`; `0s` for zero. */
export function formatSeconds(seconds: number): string {
  return seconds === 0 ? '0s' : formatDuration(seconds);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `30 Nov 2026, 18:30:05` in the zone's time. `instant` is ISO-8601. */
export function formatWhen(instant: string, zone: string): string {
  const { year, month, day } = wallTime(Date.parse(instant), zone);
  return `${day} ${MONTHS[month - 1]} ${year}, ${clockOf(Date.parse(instant), zone)}`;
}

/** `18:30:05` of an instant in milliseconds. */
export function clockOf(instant: number, zone: string): string {
  const { hour, minute, second } = wallTime(instant, zone);
  return [hour, minute, second].map((value) => String(value).padStart(2, '0')).join(':');
}

/** `30 Nov` of an instant in milliseconds. */
export function dayOf(instant: number, zone: string): string {
  const { month, day } = wallTime(instant, zone);
  return `${day} ${MONTHS[month - 1]}`;
}

/** Start and end; the day appears once if it is the same. */
export function formatSpan(from: string, to: string, zone: string): string {
  const [start, end] = [formatWhen(from, zone), formatWhen(to, zone)];
  const [day, clock] = end.split(', ');
  return start.startsWith(`${day},`) ? `${start} to ${clock}` : `${start} to ${end}`;
}

/** The beginning of a long text, and the length of the rest. */
export function clip(text: string, limit = 300): string {
  return text.length <= limit ? text : `${text.slice(0, limit)} … (${formatCount(text.length)} characters)`;
}

/** The start and end of a name, in `limit` characters. Slots differ at the end of their names. */
export function shorten(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const head = Math.floor((limit - 1) / 3);
  return `${name.slice(0, head)}…${name.slice(name.length - (limit - 1 - head))}`;
}

/** The end of a name, where space is short. */
export function keepEnd(name: string, limit: number): string {
  return name.length <= limit ? name : `…${name.slice(name.length - limit + 1)}`;
}

/** Two instants, one below the other; the day appears once if it is the same. */
export function spanCell(from: string, to: string, zone: string): Html {
  const [start, till] = formatSpan(from, to, zone).split(' to ');
  return html`<span class="when">${start ?? ''}</span><small class="when">to ${till ?? ''}</small>`;
}
