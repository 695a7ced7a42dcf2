import Big from 'big.js';

/** The values of an axis of a grid as a job file gives them: a list, steps between two numbers, or a logarithmic scale. */
export type WrittenAxis =
  | readonly (string | number | boolean)[]
  | { readonly from: Decimal; readonly to: Decimal; readonly step?: Decimal | undefined }
  | { readonly log: readonly Decimal[]; readonly count: number };

type Decimal = string | number;

/** The most values of all axes of a grid: job.json lists them, and every worker reads it. */
export const MOST_AXIS_VALUES = 10_000;

/** Significant digits of the values between the ends of a logarithmic scale: `most` is what a double holds. */
const LOG_DIGITS = { least: 6, most: 15 };

/** Whether a text is a decimal number of at most 40 characters, from 1e-300 to 1e300, as other programs read them. */
export function isDecimal(value: Decimal): boolean {
  const text = String(value);
  return /^-?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?$/i.test(text) && text.length <= 40 && Math.abs(Big(text).e) <= 300;
}

/** How many values an axis has; with a mistake none, and the mistake as an error message has it. */
export function measureAxis(axis: WrittenAxis): { readonly count: number; readonly mistake: string | null } {
  if ('from' in axis) return measureSteps(axis);
  if (!('log' in axis)) return { count: axis.length, mistake: null };
  const isPositive = axis.log.every((end) => Big(end).gt(0));
  if (isPositive) return { count: axis.count, mistake: null };
  return { count: 0, mistake: `found log from ${axis.log.join(' to ')}, allowed: numbers over 0` };
}

/**
 * The values as text; none if `measureAxis` finds a mistake. Steps are added exactly, and the last value is not beyond
 * `to`. A logarithmic scale has its ends as they are, and between them values of 6 significant digits, or as many as an
 * end has, at most 15.
 */
export function axisValues(axis: WrittenAxis): readonly string[] {
  const { count } = measureAxis(axis);
  if ('from' in axis) {
    const [from, step] = [Big(axis.from), Big(axis.step ?? 1)];
    return Array.from({ length: count }, (_, n) => from.plus(step.times(n)).toString());
  }
  return 'log' in axis ? logValues(axis.log, count) : axis.map(String);
}

function measureSteps({ from, to, step: by = 1 }: Extract<WrittenAxis, { from: unknown }>): {
  readonly count: number;
  readonly mistake: string | null;
} {
  const [way, step] = [Big(to).minus(from), Big(by)];
  if (step.eq(0) || way.times(step).lt(0)) {
    const allowed = way.lt(0) ? 'a step below 0' : 'a step over 0';
    return { count: 0, mistake: `found step ${by} from ${from} to ${to}, allowed: ${allowed}` };
  }
  const isBeyond = (steps: number): boolean => step.times(steps).abs().gt(way.abs());
  if (!isBeyond(MOST_AXIS_VALUES)) {
    const message = `found more than ${MOST_AXIS_VALUES} values from ${from} to ${to}, allowed: fewer`;
    return { count: 0, mistake: message };
  }
  // By products, which are exact: the quotient is rounded.
  let count = Math.round(Number(way.div(step)));
  while (isBeyond(count)) count -= 1;
  while (!isBeyond(count + 1)) count += 1;
  return { count: count + 1, mistake: null };
}

function logValues(ends: readonly Decimal[], count: number): readonly string[] {
  const [first = Big(1), last = first] = ends.map((end) => Big(end));
  const digits = Math.min(LOG_DIGITS.most, Math.max(LOG_DIGITS.least, first.c.length, last.c.length));
  const [low, high] = [Math.log10(Number(first)), Math.log10(Number(last))];
  return Array.from({ length: count }, (_, n) => {
    if (n === 0) return first.toString();
    if (n === count - 1) return last.toString();
    return Big((10 ** (low + ((high - low) * n) / (count - 1))).toPrecision(digits)).toString();
  });
}
