import { formatCount } from '../lib/units.ts';
import type { AttemptEvent } from './ledger/records.ts';
import type { Faults, WorkerFaults } from './worker-faults.ts';

/** A rehearsal: the same job on a sample of its parts. Null or absent in a real one's job.json. */
export interface Rehearsal {
  /** The whole input, after splitting. */
  readonly of: WholeInput;
  /** Bytes of input in the sample's parts. */
  readonly bytes: number;
  readonly inputs: number;
  /** The requested sample: a share of the parts (0..1), or a number of them (1 and more). */
  readonly sample: number;
  /** The faults that its workers inject into themselves, as written: `kill`, `fail:5%`. */
  readonly faults: readonly string[];
  readonly seed: number;
  /** The process that leads it, on the host that submitted it: once that has ended, the rehearsal is abandoned. */
  readonly pid: number;
}

interface WholeInput {
  readonly parts: number;
  readonly bytes: number;
  /** Null if the split didn't count them. */
  readonly records: number | null;
}

/** The minimum number of parts for a share: fewer say little about how much tasks differ. */
const MIN_SAMPLE_PARTS = 20;

const GROUP = /^rehearsal-[a-z2-7]{5}$/;

/** The group of a rehearsal's own workers; `id` is five random base32 characters. */
export const rehearsalGroup = (id: string): string => `rehearsal-${id}`;

/** True for a group that a rehearsal made for itself; a job file may not name such a group. */
export const isRehearsalGroup = (group: string): boolean => GROUP.test(group);

/** True for the steps of a rehearsal. Its group is all by which a ledger can tell it from a real job. */
export function isRehearsal(steps: readonly { readonly group: string }[]): boolean {
  return steps[0] !== undefined && isRehearsalGroup(steps[0].group);
}

/** `a rehearsal: 20 of 2,000 parts` */
export function rehearsalText(parts: number, of: number): string {
  return `a rehearsal: ${formatCount(parts)} of ${formatCount(of)} parts`;
}

/** How many of `parts` a sample takes: a share of them but at least 20, or the requested number. */
export function sampleSize(sample: number, parts: number): number {
  const wanted = sample >= 1 ? sample : Math.max(MIN_SAMPLE_PARTS, Math.ceil(sample * parts - 1e-9));
  return Math.min(parts, wanted);
}

/**
 * The numbers of `count` of `parts` parts, in order: spread evenly over all of them, including the first, the last and,
 * from three on, the largest. The same for the same input.
 */
export function chooseParts(parts: number, count: number, largest: number): readonly number[] {
  const size = Math.min(parts, count);
  if (size === 1) return [largest];
  const chosen = Array.from({ length: size }, (_, i) => Math.round((i * (parts - 1)) / (size - 1)));
  if (size < 3 || chosen.includes(largest)) return chosen;
  // The largest replaces its neighbor; both ends stay.
  const nearest = chosen.reduce(
    (best, n, i) =>
      i > 0 && i < size - 1 && Math.abs(n - largest) < Math.abs((chosen[best] ?? 0) - largest) ? i : best,
    1,
  );
  chosen[nearest] = largest;
  return chosen.sort((a, b) => a - b);
}

export const FAULT_KINDS = ['kill', 'duplicate', 'fail', 'slow-disk'] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export const NO_FAULTS: Faults = { kill: false, duplicate: false, fail: 0, slowMs: 0 };

/** The meaning of `--faults` alone. */
export const ALL_FAULTS = 'kill,duplicate,fail:5%,slow-disk';

const DEFAULT_FAIL_SHARE = 0.05;

const SLOW_MS = 20;

/** Parses `kill,fail:5%`. Throws a RangeError that says what was expected and found. */
export function parseFaults(list: string): Faults {
  let faults = NO_FAULTS;
  for (const word of list.split(',')) {
    const [kind, value] = word.trim().split(':');
    if (kind === 'kill' && value === undefined) faults = { ...faults, kill: true };
    else if (kind === 'duplicate' && value === undefined) faults = { ...faults, duplicate: true };
    else if (kind === 'slow-disk' && value === undefined) faults = { ...faults, slowMs: SLOW_MS };
    else if (kind === 'fail')
      faults = { ...faults, fail: value === undefined ? DEFAULT_FAIL_SHARE : parseShare(word, value) };
    else throw new RangeError(`expected a list of kill, duplicate, fail:5% and slow-disk, found "${word}"`);
  }
  return faults;
}

function parseShare(word: string, text: string): number {
  const share = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
  if (share > 0 && share <= 1) return share;
  throw new RangeError(`expected a share such as fail:5%, found "${word}"`);
}

/** The faults as a user would write them. */
export function faultNames({ kill, duplicate, fail, slowMs }: Faults): readonly string[] {
  return [
    ...(kill ? ['kill'] : []),
    ...(duplicate ? ['duplicate'] : []),
    ...(fail > 0 ? [`fail:${Math.round(fail * 10_000) / 100}%`] : []),
    ...(slowMs > 0 ? ['slow-disk'] : []),
  ];
}

/** True if an attempt should fail, at random; the same for the same seed. A retry that a person asks for never does. */
export function shouldFail(
  { fail, seed }: Pick<WorkerFaults, 'fail' | 'seed'>,
  { step, task, round, number }: Pick<AttemptEvent, 'step' | 'task' | 'round' | 'number'>,
): boolean {
  return fail > 0 && round === 0 && hashed(`${seed}/${step}/${task}/${number}`) < fail;
}

/**
 * The first seed from `seed` on with which at least one first attempt of a small sample's tasks fails, so that a user
 * who asks for faults sees one.
 */
export function findFailingSeed(fail: number, seed: number, step: string, tasks: number): number {
  const some = Math.min(tasks, 1_000);
  const fails = (tried: number): boolean => {
    for (let task = 0; task < some; task += 1)
      if (shouldFail({ fail, seed: tried }, { step, task, round: 0, number: 1 })) return true;
    return false;
  };
  if (fail <= 0 || tasks === 0) return seed;
  for (let tried = seed; tried < seed + TRIES; tried += 1) if (fails(tried)) return tried;
  return seed;
}

const TRIES = 10_000;

/** FNV-1a, then mixed: 0 to below 1. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** How often a worker is killed among `tasks` in all, and every how many attempts of a worker that happens. */
export function killPlan(tasks: number): { readonly kills: number; readonly every: number } {
  const kills = tasks >= 40 ? 2 : tasks >= 1 ? 1 : 0;
  return { kills, every: Math.max(1, Math.floor(tasks / (kills + 1))) };
}
