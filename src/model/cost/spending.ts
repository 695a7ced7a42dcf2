import type { LedgerWorker, WorkerMachine } from '../../ports/ledger.ts';
import type { GroupPrices, HourPrice } from '../../ports/worker-group.ts';
import { USUAL_BOOT } from '../capacity.ts';
import { instantsOf, wallTime } from '../wall-time.ts';

/** US dollars that an hour of a machine costs; null where nobody knows. */
export type PriceAt = (machine: WorkerMachine) => number | null;

/** What was spent; `usd` is null where a part of it has no price, and `unknown` names these types. */
export interface Spending {
  readonly usd: number | null;
  readonly unknown: readonly string[];
}

/** A job, for what it costs. */
interface CostingJob {
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

/** A while, milliseconds since the epoch. */
interface While {
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
const sharedSeconds = (one: While, other: While): number =>
  Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from)) / 1_000;

/**
 * US dollars that an hour of a machine costs; null where nobody knows. A spot instance: the market's price in its zone,
 * else the mean over its zones, else what the profile says. An on-demand instance: what the profile says.
 */
export function priceOf(hours: readonly HourPrice[], { type, zone, lifeCycle }: WorkerMachine): number | null {
  const ofType = hours.filter((hour) => hour.type === type);
  const configured = ofType.find(({ kind }) => kind === 'configured')?.usd ?? null;
  if (lifeCycle === 'on-demand') return configured;
  const market = ofType.filter(({ kind }) => kind === 'spot');
  const here = market.filter((hour) => hour.zone === zone || hour.zone === null);
  return mean(here) ?? mean(market) ?? configured;
}

/** What an hour of the group's next machine costs, about: the mean over its types; null where one's price isn't known. */
export function priceToCome({ types, lifeCycle, hours }: GroupPrices): number | null {
  const each = types.map((type) => priceOf(hours, { type, zone: '', lifeCycle }));
  const known = each.filter((usd) => usd !== null);
  return each.length === 0 || known.length < each.length ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

/** The types whose price nobody knows: what the profile has to say. */
export function typesWithoutPrice({ types, lifeCycle, hours }: GroupPrices): readonly string[] {
  return types.filter((type) => priceOf(hours, { type, zone: '', lifeCycle }) === null);
}

function mean(prices: readonly HourPrice[]): number | null {
  return prices.length === 0 ? null : prices.reduce((sum, { usd }) => sum + usd, 0) / prices.length;
}

/** The calendar month of a zone up to now, milliseconds since the epoch. */
export function monthUpTo(now: number, zone: string): While {
  const { year, month } = wallTime(now, zone);
  const [from] = instantsOf({ year, month, day: 1, hour: 0, minute: 0, second: 0 }, zone);
  return { from, to: now };
}
