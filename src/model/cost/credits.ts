/** Processors of a burstable type, and the share of each that its price includes (EC2: CPU credits key concepts). */
const SIZES: Readonly<Record<string, readonly [processors: number, baseline: number]>> = {
  nano: [2, 0.05],
  micro: [2, 0.1],
  small: [2, 0.2],
  medium: [2, 0.2],
  large: [2, 0.3],
  xlarge: [4, 0.4],
  '2xlarge': [8, 0.4],
};
/** The older family has other processors and shares. */
const T2_SIZES: typeof SIZES = {
  ...SIZES,
  nano: [1, 0.05],
  micro: [1, 0.1],
  small: [1, 0.2],
  xlarge: [4, 0.225],
  '2xlarge': [8, 0.17],
};

/** US dollars per processor and hour beyond that share, on Linux, in all regions (aws.amazon.com/ec2/pricing/on-demand). */
const CREDIT_HOUR: Readonly<Record<string, number>> = { t2: 0.05, t3: 0.05, t3a: 0.05, t4g: 0.04 };

/** Whether an instance type has CPU credits: it may use its processors fully only for a share of the time, or at a price. */
export const isBurstable = (type: string): boolean => Object.hasOwn(CREDIT_HOUR, familyOf(type));

/**
 * The cost of an hour of a type beyond its price if its processors are busy all the time, US dollars: 0 for a type
 * without CPU credits. Workers' processors are busy, and launch templates don't let EC2 slow them down.
 */
export function creditsPerHour(type: string): number {
  const family = familyOf(type);
  const [processors, baseline] = (family === 't2' ? T2_SIZES : SIZES)[type.slice(family.length + 1)] ?? [0, 0];
  return processors * (1 - baseline) * (CREDIT_HOUR[family] ?? 0);
}

const familyOf = (type: string): string => type.replace(/\..*$/, '');
