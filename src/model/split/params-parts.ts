import type { SplitSpec } from '../job.ts';

type ParamSplit = Extract<SplitSpec, { readonly by: 'range' | 'grid' }>;

/** How many parts a range or a grid has. */
export function countParams(split: ParamSplit): number {
  if (split.by === 'range') return Math.max(0, split.to - split.from + 1);
  const axes = Object.values(split.axes);
  return axes.length === 0 ? 0 : axes.reduce((product, values) => product * values.length, 1);
}

/** The parameters of part `n`: `index` of a range; of a grid one value an axis, the last axis changing fastest. */
export function paramsOf(split: ParamSplit, n: number): Readonly<Record<string, string>> {
  if (split.by === 'range') return { index: String(split.from + n) };
  const params: [string, string][] = [];
  let rest = n;
  for (const [name, values] of Object.entries(split.axes).reverse()) {
    params.unshift([name, values[rest % values.length] ?? '']);
    rest = Math.floor(rest / values.length);
  }
  return Object.fromEntries(params);
}
