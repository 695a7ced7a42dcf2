import type { LedgerWorker, WorkerMachine } from '../../ports/ledger.ts';
import { USUAL_BOOT } from '../capacity.ts';

/** A while, milliseconds since the epoch. */
export interface While {
  readonly from: number;
  readonly to: number;
}

/** An instance that is paid for by the hour, as its workers told of it. */
export interface PaidMachine {
  readonly host: string;
  /** The groups that its worker serves. */
  readonly groups: readonly string[];
  readonly machine: WorkerMachine;
  /** From its launch (about, where its worker doesn't tell) to its workers' last sign of life, or to now. */
  readonly life: While;
  readonly up: boolean;
  readonly slots: number;
  /** Slot-seconds by job; the empty name is of jobs that aren't named any more. */
  readonly spent: ReadonlyMap<string, number>;
  /** What runs on it, `job/step/n`. */
  readonly busy: readonly string[];
}

/** A worker that was not heard of for so long (two of its leases) is taken for gone. */
export const ALIVE_LEASES = 2;

/**
 * The machines under workers, each once, however often its worker started again. One that was heard of lately is up;
 * what came after the last sign of any other nobody knows. Workers that no machine is paid for are left out.
 */
export function machinesOf(
  workers: readonly LedgerWorker[],
  { now, aliveMs }: { readonly now: number; readonly aliveMs: number },
): readonly PaidMachine[] {
  const byHost = new Map<string, PaidMachine>();
  // The newest is told of first: what it says of its groups and slots is how it is now.
  for (const worker of [...workers].sort((a, b) => b.seenAt - a.seenAt)) {
    const found = paidMachine(worker, now, aliveMs);
    const newer = byHost.get(worker.host);
    if (found !== null) byHost.set(worker.host, newer === undefined ? found : merged(newer, found));
  }
  return [...byHost.values()];
}

function paidMachine(worker: LedgerWorker, now: number, aliveMs: number): PaidMachine | null {
  const { host, group, machine, slots, busy, spent = {}, startedAt, seenAt, state } = worker;
  if (machine === undefined) return null;
  const up = state !== 'gone' && now - seenAt < aliveMs;
  // No worker starts before its machine: a clock that says so is wrong.
  const from = Math.min(startedAt, machine.launchedAt ?? startedAt - USUAL_BOOT * 1_000);
  const life = { from, to: up ? Math.max(now, seenAt) : seenAt };
  return {
    ...{ host, groups: group.split(','), machine, life, up, slots: Math.max(1, slots) },
    ...{ spent: new Map(Object.entries(spent)), busy: up ? busy : [] },
  };
}

function merged(newer: PaidMachine, older: PaidMachine): PaidMachine {
  const spent = new Map(newer.spent);
  for (const [job, seconds] of older.spent) spent.set(job, (spent.get(job) ?? 0) + seconds);
  const life = { from: Math.min(newer.life.from, older.life.from), to: Math.max(newer.life.to, older.life.to) };
  return { ...newer, life, spent };
}

/** Seconds that two whiles share. */
export const sharedSeconds = (one: While, other: While): number =>
  Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from)) / 1_000;
