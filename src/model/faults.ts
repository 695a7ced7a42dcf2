import type { Faults, WorkerFaults } from '../ports/worker-faults.ts';

export const FAULT_KINDS = ['kill', 'duplicate', 'fail', 'slow-disk'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const NO_FAULTS: Faults = { kill: false, duplicate: false, fail: 0, slowMs: 0 };

/** What `--faults` alone means. */
export const ALL_FAULTS = 'kill,duplicate,fail:5%,slow-disk';
const FAIL = 0.05;
const SLOW_MS = 20;

/** Reads `kill,fail:5%`. Throws a RangeError that says what was expected and found. */
export function parseFaults(list: string): Faults {
  let faults = NO_FAULTS;
  for (const word of list.split(',')) {
    const [kind, value] = word.trim().split(':');
    if (kind === 'kill' && value === undefined) faults = { ...faults, kill: true };
    else if (kind === 'duplicate' && value === undefined) faults = { ...faults, duplicate: true };
    else if (kind === 'slow-disk' && value === undefined) faults = { ...faults, slowMs: SLOW_MS };
    else if (kind === 'fail') faults = { ...faults, fail: value === undefined ? FAIL : shareOf(word, value) };
    else throw new RangeError(`expected a list of kill, duplicate, fail:5% and slow-disk, found "${word}"`);
  }
  return faults;
}

function shareOf(word: string, text: string): number {
  const share = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
  if (share > 0 && share <= 1) return share;
  throw new RangeError(`expected a share such as fail:5%, found "${word}"`);
}

/** As one would write them. */
export function faultNames({ kill, duplicate, fail, slowMs }: Faults): readonly string[] {
  return [
    ...(kill ? ['kill'] : []),
    ...(duplicate ? ['duplicate'] : []),
    ...(fail > 0 ? [`fail:${Math.round(fail * 10_000) / 100}%`] : []),
    ...(slowMs > 0 ? ['slow-disk'] : []),
  ];
}

/** True when an attempt is to fail, by lot: the same for the same seed. A retry that a person asks for never does. */
export function failsByLot(
  { fail, seed }: Pick<WorkerFaults, 'fail' | 'seed'>,
  {
    step,
    task,
    round,
    number,
  }: { readonly step: string; readonly task: number; readonly round: number; readonly number: number },
): boolean {
  return fail > 0 && round === 0 && hashed(`${seed}/${step}/${task}/${number}`) < fail;
}

/**
 * The first seed from `seed` on by which at least one first attempt of a small sample's tasks fails: who asks for faults
 * wants to see one.
 */
export function seedThatFails(fail: number, seed: number, step: string, tasks: number): number {
  const some = Math.min(tasks, 1_000);
  const fails = (tried: number): boolean => {
    for (let task = 0; task < some; task += 1)
      if (failsByLot({ fail, seed: tried }, { step, task, round: 0, number: 1 })) return true;
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

/** How often a worker is killed, and in which of the attempts that each worker begins: every so-manieth, for `tasks` in all. */
export function killPlan(tasks: number): { readonly kills: number; readonly every: number } {
  const kills = tasks >= 40 ? 2 : tasks >= 1 ? 1 : 0;
  return { kills, every: Math.max(1, Math.floor(tasks / (kills + 1))) };
}
