import { BatchctlError } from '../errors.ts';
import { ownValue } from './json.ts';

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Seconds in each unit, largest first. */
const DURATIONS: readonly (readonly [unit: string, seconds: number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
  ['ms', 0.001],
];

/** Bytes for `64MB` (10^6), `1GiB` (2^30), `1.5GB` or a plain number; throws `usage` for anything else. */
export function parseSize(value: string | number): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value).trim());
  const unit = ownValue(SIZES, (match?.[2] ?? '?').toLowerCase());
  const bytes = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!Number.isSafeInteger(Math.round(bytes)) || (unit === 1 && !Number.isInteger(bytes))) {
    throw new BatchctlError('usage', `expected a size, found "${value}"`, {
      hint: 'use whole bytes, or a number with KB, MB, GB, TB (powers of 1,000) or KiB, MiB, GiB, TiB (powers of 1,024)',
    });
  }
  return Math.round(bytes);
}

const DURATION_HINT = 'use a number with ms, s, m, h or d, largest first: 1500ms, 90s, 10m, 6h, 2d, 1h30m';

/** Seconds in a hundred years: a date can't represent every more distant instant. */
const LONGEST = 36_500 * 86_400;

/** Seconds for `90s`, `10m`, `6h`, `2d`, `1500ms`, `1h30m` or plain seconds, at most 36500d; else throws `usage`. */
export function parseDuration(value: string | number): number {
  const text = String(value).trim();
  if (/^\d+(\.\d+)?$/.test(text)) return requireNotTooLong(Number(text), text);
  const match =
    /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$/.exec(text);
  if (match === null || text === '') {
    throw new BatchctlError('usage', `expected a duration, found "${value}"`, { hint: DURATION_HINT });
  }
  // In milliseconds, so that 1500ms is exactly 1.5.
  const ms = DURATIONS.reduce((sum, [, seconds], i) => sum + Number(match[i + 1] ?? 0) * (seconds * 1000), 0);
  return requireNotTooLong(ms / 1000, text);
}

function requireNotTooLong(seconds: number, text: string): number {
  if (seconds <= LONGEST) return seconds;
  throw new BatchctlError('usage', `expected a duration of at most 36500d, found "${text.slice(0, 40)}"`, {
    hint: DURATION_HINT,
  });
}

/** `1,234,567` */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 task`, `1,234 tasks`. */
export function formatMany(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `32MB`, `1.5GB`, `999B`: powers of 1,000, at most one decimal, which `parseSize` can parse. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  // 999.95 would be shown as 1000.0.
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toFixed(1))}${units[unit]}`;
}

/** `350ms`, `45s`, `1h30m`, `2d4h`: the two largest units, which `parseDuration` can parse. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)}ms`;
  const whole = seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const first = DURATIONS.findIndex(([, unit]) => whole >= unit);
  const [unit, unitSeconds] = DURATIONS[first] ?? ['s', 1];
  const [nextUnit, nextSeconds] = DURATIONS[first + 1] ?? ['s', 1];
  const rounded = Math.round(whole / nextSeconds) * nextSeconds;
  const rest = Math.round((rounded % unitSeconds) / nextSeconds);
  return `${Math.floor(rounded / unitSeconds)}${unit}${rest === 0 ? '' : `${rest}${nextUnit}`}`;
}

/** Parses a whole number of at least `from`. Throws a RangeError. */
export function wholeNumberParser(from: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < from) {
      throw new RangeError(`expected a whole number from ${from}, found "${text}"`);
    }
    return value;
  };
}

/** `name=value` texts as a record. Throws `usage`. */
export function parsePairs(flag: string, texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at <= 0) throw new BatchctlError('usage', `${flag} ${text}: expected name=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Throws a RangeError for text that is no amount in dollars. */
export function parseDollars(text: string): number {
  const value = /^\$?\d+(\.\d{1,2})?$/.test(text) ? Number(text.replace('$', '')) : Number.NaN;
  if (!(value > 0 && value <= Number.MAX_SAFE_INTEGER))
    throw new RangeError(`expected an amount in US dollars such as 100 or 12.50, found "${text}"`);
  return value;
}
