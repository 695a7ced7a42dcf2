import { USUAL_BOOT } from '../capacity.ts';
import type { GroupPrices, HourPrice } from '../group-status.ts';
import type { LedgerWorker, WorkerMachine } from '../ledger/records.ts';
import { instantsOf, wallTime } from '../wall-time.ts';
import { creditsPerHour } from './credits.ts';

/** US dollars per hour of a machine; null if unknown. */
export type PriceAt = (machine: WorkerMachine) => number | null;

/** The money spent; `usd` is null if a part has no price, and `unknown` names its types. */
export interface Spending {
  readonly usd: number | null;
  readonly unknown: readonly string[];
}

interface BilledJob {
  readonly job: string;
  readonly groups: ReadonlySet<string>;
  /** From its acceptance to now, or to some time after its close. */
  readonly life: TimeSpan;
  /** How many jobs share its groups now, including itself. */
  readonly sharers: number;
}

/** Milliseconds after its close in which the job still pays for idle machines. */
const IDLE_TAIL_MS = 600_000;

/** The time in which the job pays for machines; `closedAt` is null while it is open. */
export function lifeOfJob(createdAt: number, closedAt: number | null, now: number): TimeSpan {
  return { from: createdAt, to: closedAt === null ? now : Math.min(now, closedAt + IDLE_TAIL_MS) };
}

/** The cost of a job so far: of each machine's life, with booting and idling, its attempts' share. */
export function jobSpending(job: BilledJob, machines: readonly PaidMachine[], priceAt: PriceAt): Spending {
  return total(machines, (machine) => billedSeconds(job, machine, machines), priceAt);
}

/** The cost of all machines in a period, busy or not. */
export function spendingIn(during: TimeSpan, machines: readonly PaidMachine[], priceAt: PriceAt): Spending {
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

/** Seconds of the machine's life that the job pays for: never more than both lives share. */
function billedSeconds(job: BilledJob, machine: PaidMachine, machines: readonly PaidMachine[]): number {
  const { groups, life } = job;
  const up = machine.life;
  const shared = sharedSeconds(up, life);
  const part = workShareOf(job, [machine]);
  if (part !== null) return Math.min(shared, ((up.to - up.from) / 1_000) * part);
  // It has done no work yet: it was started for waiting work, and this job had some.
  const startedForJob = machine.groups.some((group) => groups.has(group)) && up.from >= life.from - USUAL_BOOT * 1_000;
  if (!startedForJob) return 0;
  const beside = machines.filter((other) => other.groups.some((group) => machine.groups.includes(group)));
  return shared * (workShareOf(job, beside) ?? 1 / job.sharers);
}

/** The job's share of the work of some machines; null if none has worked. */
function workShareOf({ job }: BilledJob, machines: readonly PaidMachine[]): number | null {
  const spent = machines.map((machine) => [...machine.spent.values()].reduce((sum, seconds) => sum + seconds, 0));
  const all = spent.reduce((sum, seconds) => sum + seconds, 0);
  return all > 0 ? machines.reduce((sum, machine) => sum + (machine.spent.get(job) ?? 0), 0) / all : null;
}

/** True if no machine of these groups has worked yet: costs are then divided by the number of sharing jobs. */
export function shouldCountSharingJobs(groups: ReadonlySet<string>, machines: readonly PaidMachine[]): boolean {
  const here = machines.filter((machine) => machine.groups.some((group) => groups.has(group)));
  return here.length > 0 && here.every(({ spent }) => [...spent.values()].every((seconds) => seconds === 0));
}

/** A period, milliseconds since the epoch. */
interface TimeSpan {
  readonly from: number;
  readonly to: number;
}

/** An instance billed by the hour, from its workers' records. */
export interface PaidMachine {
  readonly host: string;
  /** The groups that its worker serves. */
  readonly groups: readonly string[];
  readonly machine: WorkerMachine;
  /** From its launch (estimated, if its worker doesn't say) to its workers' last heartbeat, or to now. */
  readonly life: TimeSpan;
  readonly up: boolean;
  readonly slots: number;
  /** Slot-seconds by job; the empty name is for jobs that are no longer named. */
  readonly spent: ReadonlyMap<string, number>;
  /** Its running tasks, `job/step/n`. */
  readonly busy: readonly string[];
}

/**
 * The machines of workers, each once, however often its worker restarted. One with a recent heartbeat is up; for
 * others, nothing is known after their last heartbeat. Workers without a billed machine are left out.
 */
export function machinesOf(
  workers: readonly LedgerWorker[],
  { now, aliveMs }: { readonly now: number; readonly aliveMs: number },
): readonly PaidMachine[] {
  const byHost = new Map<string, PaidMachine>();
  // The newest record comes first: its groups and slots are the current ones.
  for (const worker of [...workers].sort((a, b) => b.seenAt - a.seenAt)) {
    const found = paidMachine(worker, now, aliveMs);
    const newer = byHost.get(worker.host);
    if (found !== null) byHost.set(worker.host, newer === undefined ? found : mergeMachines(newer, found));
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
    host,
    groups: group.split(','),
    machine,
    life,
    up,
    slots: Math.max(1, slots),
    spent: new Map(Object.entries(spent)),
    busy: up ? busy : [],
  };
}

function mergeMachines(newer: PaidMachine, older: PaidMachine): PaidMachine {
  const spent = new Map(newer.spent);
  for (const [job, seconds] of older.spent) spent.set(job, (spent.get(job) ?? 0) + seconds);
  const life = { from: Math.min(newer.life.from, older.life.from), to: Math.max(newer.life.to, older.life.to) };
  return { ...newer, life, spent };
}

/** Seconds that two periods overlap. */
const sharedSeconds = (one: TimeSpan, other: TimeSpan): number =>
  Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from)) / 1_000;

/**
 * US dollars per hour of a busy machine; null if unknown. For a spot instance: the market's price in its zone, else the
 * mean over its zones, else the profile's. For an on-demand instance: the profile's. CPU credits are added.
 */
export function priceOf(hours: readonly HourPrice[], machine: WorkerMachine): number | null {
  const listed = listedPriceOf(hours, machine);
  return listed === null ? null : listed + creditsPerHour(machine.type);
}

function listedPriceOf(hours: readonly HourPrice[], { type, zone, lifeCycle }: WorkerMachine): number | null {
  const ofType = hours.filter((hour) => hour.type === type);
  const configured = ofType.find(({ kind }) => kind === 'configured')?.usd ?? null;
  if (lifeCycle === 'on-demand') return configured;
  const market = ofType.filter(({ kind }) => kind === 'spot');
  const here = market.filter((hour) => hour.zone === zone || hour.zone === null);
  return mean(here) ?? mean(market) ?? configured;
}

/** The approximate price per hour of the group's next machine: the mean of its types; null if one price is unknown. */
export function nextMachinePrice({ types, lifeCycle, hours }: GroupPrices): number | null {
  const each = types.map((type) => priceOf(hours, { type, zone: '', lifeCycle }));
  const known = each.filter((usd) => usd !== null);
  return each.length === 0 || known.length < each.length ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

/** The types without a price, which the profile must give. */
export function typesWithoutPrice({ types, lifeCycle, hours }: GroupPrices): readonly string[] {
  return types.filter((type) => priceOf(hours, { type, zone: '', lifeCycle }) === null);
}

function mean(prices: readonly HourPrice[]): number | null {
  return prices.length === 0 ? null : prices.reduce((sum, { usd }) => sum + usd, 0) / prices.length;
}

/** The calendar month in a zone up to now, milliseconds since the epoch. */
export function monthToDate(now: number, zone: string): TimeSpan {
  const { year, month } = wallTime(now, zone);
  const [from] = instantsOf({ year, month, day: 1, hour: 0, minute: 0, second: 0 }, zone);
  return { from, to: now };
}
