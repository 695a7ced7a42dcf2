/**
 * How many processors an instance of that type has, at least; null for a name that doesn't tell (EC2: instance type
 * naming: large has two, xlarge four, and N-xlarge N times four; what is smaller may have one).
 */
export function processorsOf(type: string): number | null {
  const [, size = ''] = /\.([a-z0-9]+)$/.exec(type) ?? [];
  if (/^(nano|micro|small|medium)$/.test(size)) return 1;
  if (size === 'large') return 2;
  const [, times] = /^(\d*)xlarge$/.exec(size) ?? [];
  return times === undefined ? null : 4 * Number(times === '' ? 1 : times);
}
