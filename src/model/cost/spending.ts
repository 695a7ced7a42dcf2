import type { WorkerMachine } from '../../ports/ledger.ts';
import { PACE } from '../capacity.ts';
import { type PaidMachine, sharedSeconds, type While } from './paid-machine.ts';

/** US dollars that an hour of a machine costs; null where nobody knows. */
export type PriceAt = (machine: WorkerMachine) => number | null;

/** What was spent; `usd` is null where a part of it has no price, and `unknown` names these types. */
export interface Spending {
  readonly usd: number | null;
  readonly unknown: readonly string[];
}

/** A job, for what it costs. */
export interface CostingJob {
  readonly job: string;
  readonly groups: ReadonlySet<string>;
  /** From its acceptance to now, or to a while after its close. */
  readonly life: While;
}

/** Milliseconds after its close in which machines that idle are still the job's to pay. */
const TAIL_MS = 600_000;

/** When what machines do is the job's to pay for; `closedAt` is null while it is open. */
export function lifeOfJob(createdAt: number, closedAt: number | null, now: number): While {
  return { from: createdAt, to: closedAt === null ? now : Math.min(now, closedAt + TAIL_MS) };
}

/** What a job has cost so far: of each machine's life, booting and idling with it, the share that its attempts had. */
export function jobSpending(job: CostingJob, machines: readonly PaidMachine[], priceAt: PriceAt): Spending {
  return total(machines, (machine) => secondsFor(job, machine), priceAt);
}

/** What all machines cost in a while, busy or not. */
export function spendingIn(during: While, machines: readonly PaidMachine[], priceAt: PriceAt): Spending {
  return total(machines, ({ life }) => sharedSeconds(life, during), priceAt);
}

function total(
  machines: readonly PaidMachine[],
  secondsOf: (machine: PaidMachine) => number,
  priceAt: PriceAt,
): Spending {
  const unknown = new Set<string>();
  let usd = 0;
  for (const each of machines) {
    const seconds = secondsOf(each);
    if (seconds <= 0) continue;
    const price = priceAt(each.machine);
    if (price === null) unknown.add(each.machine.type);
    else usd += (price * seconds) / 3_600;
  }
  return { usd: unknown.size > 0 ? null : usd, unknown: [...unknown].sort() };
}

/** Seconds of the machine's life that are the job's: never more than they share. */
function secondsFor({ job, groups, life }: CostingJob, machine: PaidMachine): number {
  const { spent, life: up } = machine;
  const shared = sharedSeconds(up, life);
  const all = [...spent.values()].reduce((sum, seconds) => sum + seconds, 0);
  if (all > 0) return Math.min(shared, ((up.to - up.from) / 1_000) * ((spent.get(job) ?? 0) / all));
  // It has done nothing for anyone yet: it was started for work that waited, and this job's did.
  const forIt = machine.groups.some((group) => groups.has(group)) && up.from >= life.from - PACE.boot * 1_000;
  return forIt ? shared : 0;
}
