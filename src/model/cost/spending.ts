import type { WorkerMachine } from '../../ports/ledger.ts';
import { USUAL_BOOT } from '../capacity.ts';
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
  /** How many jobs, itself among them, share its groups now. */
  readonly sharers: number;
}

/** Milliseconds after its close in which machines that idle are still the job's to pay. */
const TAIL_MS = 600_000;

/** When what machines do is the job's to pay for; `closedAt` is null while it is open. */
export function lifeOfJob(createdAt: number, closedAt: number | null, now: number): While {
  return { from: createdAt, to: closedAt === null ? now : Math.min(now, closedAt + TAIL_MS) };
}

/** What a job has cost so far: of each machine's life, booting and idling with it, the share that its attempts had. */
export function jobSpending(job: CostingJob, machines: readonly PaidMachine[], priceAt: PriceAt): Spending {
  return total(machines, (machine) => secondsFor(job, machine, machines), priceAt);
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
function secondsFor(job: CostingJob, machine: PaidMachine, machines: readonly PaidMachine[]): number {
  const { groups, life } = job;
  const up = machine.life;
  const shared = sharedSeconds(up, life);
  const part = partOf(job, [machine]);
  if (part !== null) return Math.min(shared, ((up.to - up.from) / 1_000) * part);
  // It has done nothing for anyone yet: it was started for work that waited, and this job's did.
  const forIt = machine.groups.some((group) => groups.has(group)) && up.from >= life.from - USUAL_BOOT * 1_000;
  if (!forIt) return 0;
  const beside = machines.filter((other) => other.groups.some((group) => machine.groups.includes(group)));
  return shared * (partOf(job, beside) ?? 1 / job.sharers);
}

/** The job's part of what some machines worked; null where none has worked. */
function partOf({ job }: CostingJob, machines: readonly PaidMachine[]): number | null {
  const spent = machines.map((machine) => [...machine.spent.values()].reduce((sum, seconds) => sum + seconds, 0));
  const all = spent.reduce((sum, seconds) => sum + seconds, 0);
  return all > 0 ? machines.reduce((sum, machine) => sum + (machine.spent.get(job) ?? 0), 0) / all : null;
}

/** Whether some machine of the groups has done nothing, and none beside it anything: then who shares them counts. */
export function needsSharers(groups: ReadonlySet<string>, machines: readonly PaidMachine[]): boolean {
  const here = machines.filter((machine) => machine.groups.some((group) => groups.has(group)));
  return here.length > 0 && here.every(({ spent }) => [...spent.values()].every((seconds) => seconds === 0));
}
