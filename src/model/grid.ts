import type { SplitSpec } from './job.ts';

export type GridSplit = Extract<SplitSpec, { readonly by: 'grid' }>;

/** The most combinations that `exclude` chooses from, and ten times as many that its entries match, overlaps included. */
export const MOST_CHOSEN = 1_000_000;

/**
 * The combinations of a grid that are not excluded, numbered from 0. One value of each group of axes, in the order of
 * the axes, the last group changing fastest; the axes of a group (`zip`) go together.
 */
export interface Combinations {
  readonly count: number;
  /** How many `exclude` leaves out. */
  readonly excluded: number;
  /** Indexes of entries of `exclude` that leave out nothing that those before them do not. */
  readonly idle: readonly number[];
  params(n: number): Readonly<Record<string, string>>;
}

const made = new WeakMap<GridSplit, Combinations>();

/** Throws `RangeError` if `exclude` would have to choose from too many. */
export function combinationsOf(split: GridSplit): Combinations {
  const known = made.get(split);
  if (known !== undefined) return known;
  const combinations = makeCombinations(split);
  made.set(split, combinations);
  return combinations;
}

interface Group {
  readonly axes: readonly string[];
  readonly count: number;
  /** From 0 to `count` - 1. */
  readonly places: readonly number[];
  /** Combinations of the groups behind it: from one of its values to the next. */
  readonly stride: number;
}

function makeCombinations(split: GridSplit): Combinations {
  const { axes, exclude = [] } = split;
  const groups = groupsOf(split);
  const [first] = groups;
  const all = first === undefined ? 0 : first.count * first.stride;
  const groupOf = new Map(groups.flatMap((group) => group.axes.map((axis) => [axis, group] as const)));
  const ordered = Object.entries(axes).map(([name, values]) => ({ name, values, group: groupOf.get(name) }));
  const { kept, idle } = exclude.length === 0 ? { kept: null, idle: [] } : chooseKept(split, groups, all);
  return {
    count: kept?.length ?? all,
    excluded: all - (kept?.length ?? all),
    idle,
    params: (n) => {
      const number = kept === null ? n : (kept[n] ?? 0);
      return Object.fromEntries(
        ordered.map(({ name, values, group }) => [name, group === undefined ? '' : (values[at(group, number)] ?? '')]),
      );
    },
  };
}

const at = ({ stride, count }: Group, number: number): number => Math.floor(number / stride) % count;

function groupsOf({ axes, zip = [] }: GridSplit): readonly Group[] {
  const zipped = new Map(zip.flatMap((names) => names.map((name) => [name, names] as const)));
  const members = new Set(Object.keys(axes).map((name) => zipped.get(name) ?? [name]));
  const groups: Group[] = [];
  let stride = 1;
  for (const names of [...members].reverse()) {
    const count = axes[names[0] ?? '']?.length ?? 0;
    groups.unshift({ axes: names, count, places: Array.from({ length: count }, (_, place) => place), stride });
    stride *= count;
  }
  return groups;
}

/** The numbers of combinations that no entry of `exclude` matches. */
function chooseKept(
  { axes, exclude = [] }: GridSplit,
  groups: readonly Group[],
  all: number,
): { readonly kept: Uint32Array; readonly idle: readonly number[] } {
  if (all > MOST_CHOSEN)
    throw new RangeError(`found a grid of ${all} combinations, allowed with exclude: ${MOST_CHOSEN}`);
  const isLeft = new Uint8Array(all);
  let left = 0;
  let matched = 0;
  const idle = exclude.flatMap((entry, number) => {
    const matches = groups.map((group) => ({ group, values: matchedPlaces(group, entry, axes) }));
    matched += matches.reduce((product, { values }) => product * values.length, 1);
    if (matched > 10 * MOST_CHOSEN)
      throw new RangeError(`found entries that match ${10 * MOST_CHOSEN} combinations and more, allowed: fewer`);
    const before = left;
    const mark = (depth: number, from: number): void => {
      const match = matches[depth];
      if (match !== undefined) for (const value of match.values) mark(depth + 1, from + value * match.group.stride);
      else if (isLeft[from] === 0) {
        isLeft[from] = 1;
        left += 1;
      }
    };
    mark(0, 0);
    return left === before ? [number] : [];
  });
  const kept = new Uint32Array(all - left);
  let next = 0;
  for (let number = 0; number < all; number += 1) {
    if (isLeft[number] === 1) continue;
    kept[next] = number;
    next += 1;
  }
  return { kept, idle };
}

/** The positions in a group that an entry of `exclude` matches: all, if it names none of its axes. */
function matchedPlaces(
  { axes: names, places }: Group,
  entry: Readonly<Record<string, readonly string[]>>,
  axes: GridSplit['axes'],
): readonly number[] {
  return names.reduce((matching, name) => {
    if (!Object.hasOwn(entry, name)) return matching;
    const wanted = new Set(entry[name]);
    return matching.filter((place) => wanted.has(axes[name]?.[place] ?? ''));
  }, places);
}
