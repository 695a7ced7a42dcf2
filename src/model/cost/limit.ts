import { BatchctlError } from '../../errors.ts';
import { IDLE_EXIT } from '../capacity.ts';
import { ASSUMED_SECONDS } from '../load.ts';
import type { PaidMachine, PriceAt } from './spending.ts';

/** The spending of a job, or of a stack's month, against its limit. US dollars. */
export interface LimitUsage {
  readonly limit: number;
  readonly soFar: number;
  readonly draining: number;
}

/** True at the limit minus the cost of draining: running tasks can still finish within it, but no new ones may start. */
export function isLimitReached({ limit, soFar, draining }: LimitUsage): boolean {
  return soFar + draining >= limit;
}

/** True if nothing is up, and what is left can't start a machine: nothing happens until a person raises the limit. */
export function isLimitTooLow(standing: LimitUsage, least: number): boolean {
  return standing.draining === 0 && leftOf(standing) < least;
}

export const leftOf = ({ limit, soFar, draining }: LimitUsage): number => Math.max(0, limit - soFar - draining);

/** Seconds that a machine must work to be worth its start: with less, most of its cost is booting and idling. */
const MIN_WORK_SECONDS = 600;

export interface NextMachine {
  /** US dollars per hour. */
  readonly price: number;
  /** Its boot time, seconds, as measured. */
  readonly boot: number;
}

export const startingCost = ({ price, boot }: NextMachine): number => (price * (boot + IDLE_EXIT)) / 3_600;

/** The least amount for which one more machine is worth starting: it works for ten minutes, and for two tasks. */
export function minMachineCost(next: NextMachine, taskSeconds: number | null): number {
  return startingCost(next) + workingCost(next, taskSeconds);
}

/** The part of that for its work, which is reserved for booting machines. */
export const workingCost = ({ price }: NextMachine, taskSeconds: number | null): number =>
  (price * Math.max(MIN_WORK_SECONDS, 2 * (taskSeconds ?? 0))) / 3_600;

/** How many more machines can be started with the amount left. */
export function affordableMachines(left: number, next: NextMachine, taskSeconds: number | null): number {
  const least = minMachineCost(next, taskSeconds);
  // Machines that cost nothing are unlimited. Ignores the error of adding fractions.
  return least === 0 ? Number.MAX_SAFE_INTEGER : Math.max(0, Math.floor(left / least + 1e-9));
}

interface Draining {
  readonly machines: readonly PaidMachine[];
  readonly groups: ReadonlySet<string>;
  /** The jobs whose attempts are waited for. */
  readonly isOurs: (job: string) => boolean;
  /** How many jobs with work share the machine's groups: idling and booting there is divided among them. */
  readonly sharers: (groups: readonly string[]) => number;
  /** Requested machines that have no worker yet, by group. */
  readonly booting: ReadonlyMap<string, number>;
  /** The cost of one of them; null if unknown. */
  readonly nextIn: (group: string) => NextMachine | null;
  /** Mean seconds of a task; null while unknown. */
  readonly secondsOf: (job: string, step: string) => number | null;
  readonly priceAt: PriceAt;
}

/**
 * The cost of letting all running attempts of some jobs end, and their machines leave. Each attempt takes its step's
 * mean from now (how long it has run isn't known), then its machine idles. Requested machines without a worker boot,
 * idle and leave. For a machine that also runs other jobs, it is their share. Null if a price isn't known.
 */
export function drainingCost(draining: Draining): number | null {
  let usd = 0;
  for (const machine of draining.machines) {
    const seconds = secondsLeft(machine, draining);
    if (seconds === 0) continue;
    const price = draining.priceAt(machine.machine);
    if (price === null) return null;
    usd += (price * seconds) / 3_600;
  }
  for (const group of draining.groups) {
    const booting = draining.booting.get(group) ?? 0;
    if (booting === 0) continue;
    const next = draining.nextIn(group);
    if (next === null) return null;
    usd += (startingCost(next) * booting) / draining.sharers([group]);
  }
  return usd;
}

function secondsLeft({ up, groups, busy }: PaidMachine, { groups: of, isOurs, secondsOf, sharers }: Draining): number {
  if (!up || !groups.some((group) => of.has(group))) return 0;
  if (busy.length === 0) return IDLE_EXIT / sharers(groups);
  const ours = busy.map((task) => task.split('/')).filter(([job = '']) => isOurs(job));
  if (ours.length === 0) return 0;
  const longest = Math.max(...ours.map(([job = '', step = '']) => secondsOf(job, step) ?? ASSUMED_SECONDS));
  return (longest + IDLE_EXIT) * (ours.length / busy.length);
}

/** `$9.61`; below ten cents `$0.0042`, below a tenth of a cent `$0.0000012`: a task's cost isn't nothing. */
export function dollarsText(usd: number): string {
  const size = Math.abs(usd);
  const digits = size > 0 && size < 0.1 ? 4 : 2;
  const shown =
    size > 0 && size < 0.001
      ? { maximumSignificantDigits: 2 }
      : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${usd < 0 ? '-' : ''}$${size.toLocaleString('en-US', shown)}`;
}

/** Hundredths of a cent are precise enough. */
export const roundUsd = (usd: number): number => Math.round(usd * 10_000) / 10_000;

/** The job's own limit, or the month's. */
export const JOB_LIMIT = 'its limit';
export const MONTH_BUDGET = "the month's budget";

/** A guard's finding when it pauses a job because of its cost. `whose`: one of the two above. */
export function limitReachedText(whose: string, { limit, soFar, draining }: LimitUsage): string {
  return `${whose} of ${dollarsText(limit)} is reached: ${dollarsText(soFar)} spent, and finishing the running tasks costs about ${dollarsText(draining)}`;
}

/** The same if nothing runs, and one more machine would cost too much. */
export function limitStuckText(whose: string, { limit, soFar }: LimitUsage, least: number): string {
  return `${whose} of ${dollarsText(limit)} is too low for another instance: ${dollarsText(soFar)} spent, and one needs about ${dollarsText(least)}`;
}

export function budgetFix(job: string, whose: typeof JOB_LIMIT | typeof MONTH_BUDGET): string {
  const resume = `batchctl resume ${job}`;
  return whose === JOB_LIMIT
    ? `batchctl adjust ${job} --max-cost N, then ${resume}`
    : `raise budget.month in the configuration, or wait for the next month; then ${resume}`;
}

/** The limit that a pause's detail names. */
export const limitNameOf = (detail: string | null): typeof JOB_LIMIT | typeof MONTH_BUDGET =>
  detail?.startsWith(MONTH_BUDGET) === true ? MONTH_BUDGET : JOB_LIMIT;

/** The error for a limit that can't be enforced because prices are missing. `why`: why they can't be had. */
export function missingPricesError(types: readonly string[], whose = 'no cost limit can', why = ''): BatchctlError {
  const entries = types.map((type) => `"${type}": USD`).join(', ');
  return new BatchctlError('refused', `the price of ${types.join(', ')} is unknown${why}, so ${whose} be enforced`, {
    hint: `add hourly prices to the profile: "prices": { ${entries} }`,
  });
}
