/** What makes a job a rehearsal: the same job on a sample of its parts. Null or absent in the job.json of a real one. */
export interface Rehearsal {
  /** The whole input, as it was cut. */
  readonly of: RehearsedWhole;
  /** Bytes of input in the sample's parts. */
  readonly bytes: number;
  /** Inputs that the sample's parts are of. */
  readonly inputs: number;
  /** What was asked for: a share of the parts (0..1), or a count of them (1 and more). */
  readonly sample: number;
  /** The faults that its workers do to themselves, as written: `kill`, `fail:5%`. */
  readonly faults: readonly string[];
  readonly seed: number;
  /** The process that leads it, on the host that submitted it: once that is gone, the rehearsal is abandoned. */
  readonly pid: number;
}

export interface RehearsedWhole {
  readonly parts: number;
  readonly bytes: number;
  /** Null where the split didn't count them. */
  readonly records: number | null;
}

/** A share makes at least so many parts: fewer tell little of how much tasks differ. */
const LEAST = 20;

const GROUP = /^rehearsal-[a-z2-7]{5}$/;

/** The group of a rehearsal's own workers; `id` is five random base32 characters. */
export const rehearsalGroup = (id: string): string => `rehearsal-${id}`;

/** True for a group that a rehearsal made for itself; a job file may not name such a group. */
export const isRehearsalGroup = (group: string): boolean => GROUP.test(group);

/** True for the steps of a rehearsal: by its group a ledger, which knows no more, tells it from a job. */
export function isRehearsal(steps: readonly { readonly group: string }[]): boolean {
  return steps[0] !== undefined && isRehearsalGroup(steps[0].group);
}

/** `a rehearsal: 20 of 2,000 parts` */
export function rehearsalText(parts: number, of: number): string {
  const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  return `a rehearsal: ${grouped(parts)} of ${grouped(of)} parts`;
}

/** How many of `parts` a sample takes: a share of them and no fewer than 20, or the count that was asked for. */
export function sampleSize(sample: number, parts: number): number {
  const wanted = sample >= 1 ? sample : Math.max(LEAST, Math.ceil(sample * parts - 1e-9));
  return Math.min(parts, wanted);
}

/**
 * The numbers of `count` of `parts` parts, in order: spread evenly over all of them, with the first, the last and, from
 * three on, the largest among them. The same for the same input.
 */
export function chooseParts(parts: number, count: number, largest: number): readonly number[] {
  const size = Math.min(parts, count);
  if (size === 1) return [largest];
  const chosen = Array.from({ length: size }, (_, i) => Math.round((i * (parts - 1)) / (size - 1)));
  if (size < 3 || chosen.includes(largest)) return chosen;
  // The largest takes the place of its neighbour; both ends stay.
  const nearest = chosen.reduce(
    (best, n, i) =>
      i > 0 && i < size - 1 && Math.abs(n - largest) < Math.abs((chosen[best] ?? 0) - largest) ? i : best,
    1,
  );
  chosen[nearest] = largest;
  return chosen.sort((a, b) => a - b);
}
