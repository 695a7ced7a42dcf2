import {
  deadlineText,
  distanceText,
  formatCount,
  formatDistance,
  formatInstant,
  groupDigits,
} from '../../cli/format.ts';
import type { Tone } from '../../cli/report-html/theme.ts';
import { formatSize } from '../../lib/units.ts';
import { statusEndsText } from '../../model/completeness-text.ts';
import { dollarsText } from '../../model/cost/limit.ts';
import { isClosed } from '../../model/job-state.ts';
import { reasonText } from '../../model/reason-text.ts';
import { rehearsalText } from '../../model/rehearsal.ts';
import type { Report, State, Status, StepStatus } from '../api-routes.ts';

export const isOpen = (state: State): boolean => !isClosed(state);

export function toneOfState(state: State): Tone {
  if (state === 'succeeded') return 'good';
  if (state === 'failed') return 'bad';
  return state === 'submitted' || state === 'running' ? 'open' : 'doubtful';
}

/** `Running · 62 % done`, `Paused · too many tasks failed`. */
export function stateSentence({ state, reason }: Pick<Status, 'state' | 'reason'>, share: string | null): string {
  const word = capitalized(state);
  if (reason !== null) return `${word} · ${reasonText(reason)}`;
  return state === 'running' && share !== null ? `${word} · ${share} done` : word;
}

/** Of a step or a whole job. `total` is null until all steps know their tasks. */
export type Progress = Pick<
  StepStatus,
  'total' | 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'retried' | 'interrupted'
>;

/** The sum of a job's steps. A chain that ended counts once, where it ended. */
export function progressOf({ steps }: Pick<Status, 'steps'>): Progress {
  const sum = (of: (step: StepStatus) => number): number => steps.reduce((total, step) => total + of(step), 0);
  return {
    total: steps.some(({ total }) => total === null)
      ? null
      : sum(({ done, failed, skipped, running, waiting }) => done + failed + skipped + running + waiting),
    waiting: sum(({ waiting }) => waiting),
    running: sum(({ running }) => running),
    done: sum(({ done }) => done),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
    retried: sum(({ retried }) => retried),
    interrupted: sum(({ interrupted }) => interrupted),
  };
}

/** The newest later run of a job's run key that is open or has succeeded: it answers for a failure. Null if none is known. */
export function supersededBy(job: Status, jobs: readonly Status[]): Status | null {
  const later = jobs.filter(
    ({ runKey, createdAt, state }) =>
      runKey !== null && runKey === job.runKey && createdAt > job.createdAt && (isOpen(state) || state === 'succeeded'),
  );
  return later.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))[0] ?? null;
}

/** Share of tasks that are decided, from 0 to 1; null while the total is unknown. */
export function shareDecided({ total, done, failed, skipped }: Progress): number | null {
  if (total === null) return null;
  return total === 0 ? 1 : Math.min(1, (done + failed + skipped) / total);
}

/** `62 %`; never 100 before the end. */
export function percentText(share: number): string {
  if (share >= 1) return '100 %';
  return `${Math.min(99, Math.floor(share * 100))} %`;
}

/** Sort orders of jobs, with their labels. '' is the view's own: open jobs by deadline, ended ones by their end. */
export const JOB_ORDERS = [
  ['', 'as needed'],
  ['newest', 'newest first'],
  ['deadline', 'closest to deadline first'],
  ['end', 'earliest end first'],
  ['failed', 'most failures first'],
  ['name', 'by name'],
] as const;

/** Sorts by one of `JOB_ORDERS`; '' and unknown ones change nothing. Jobs without the sort value come last. */
export function sortJobs(jobs: readonly Status[], order: string): readonly Status[] {
  if (order === 'name') return [...jobs].sort((a, b) => a.name.localeCompare(b.name, 'en'));
  const weigh = WEIGHTS[order];
  if (weigh === undefined) return jobs;
  const weighed = jobs.map((job) => ({ job, weight: weigh(job) }));
  return weighed.sort((a, b) => (a.weight === b.weight ? 0 : a.weight - b.weight)).map(({ job }) => job);
}

const LAST = Number.POSITIVE_INFINITY;

const instantOf = (text: string | null): number => (text === null ? LAST : Date.parse(text));

/** Milliseconds between end and deadline. A job whose end is unknown counts as ending when it was submitted. */
function spareOf({ finishBy, closedAt, projected, createdAt }: Status): number {
  return finishBy === null ? LAST : Date.parse(finishBy) - instantOf(closedAt ?? projected ?? createdAt);
}

const WEIGHTS: Readonly<Record<string, (job: Status) => number>> = {
  newest: ({ createdAt }) => -Date.parse(createdAt),
  deadline: spareOf,
  end: ({ closedAt, projected }) => instantOf(closedAt ?? projected),
  failed: (job) => -progressOf(job).failed,
};

interface CostText {
  readonly main: string;
  readonly note: string | null;
  readonly tone: Tone | null;
}

/** A job's cost against its limit; null if neither is known. */
export function costText({ cost, costProjected, maxCost, costUnknown }: Status): CostText | null {
  const unknown = costUnknown.length > 0 ? `no price for ${costUnknown.join(', ')}` : null;
  if (cost === null) {
    if (maxCost === null && unknown === null) return null;
    return { main: 'unknown', note: unknown ?? `limit ${dollarsText(maxCost ?? 0)}`, tone: null };
  }
  const notes = [
    ...(maxCost === null ? [] : [`of ${dollarsText(maxCost)}`]),
    ...(costProjected === null ? [] : [`${dollarsText(costProjected)} projected`]),
    ...(unknown === null ? [] : [unknown]),
  ];
  return { main: dollarsText(cost), note: notes.join(', ') || null, tone: toneOf(cost, costProjected, maxCost) };
}

function toneOf(cost: number, projected: number | null, limit: number | null): Tone | null {
  if (limit === null) return null;
  if (cost >= limit) return 'bad';
  return projected !== null && projected > limit ? 'doubtful' : null;
}

/** A job against its deadline. */
interface Margin {
  /** `20m early`, `5m late`, `in 2h10m`. */
  readonly margin: string;
  /** `projected 05:40, deadline 06:00`. */
  readonly detail: string;
  readonly tone: Tone;
}

/** `between 05:30 and 05:55 in 19 of 20 cases`; null if unknown. */
export function rangeText({ projectedEarliest, projectedLatest }: Status, zone: string): string | null {
  if (projectedEarliest === null || projectedLatest === null) return null;
  const [from, to] = [projectedEarliest, projectedLatest].map((instant) =>
    new Date(instant).toLocaleTimeString('en-GB', { timeZone: zone, timeStyle: 'short' }),
  );
  return from === to ? null : `between ${from} and ${to} in 19 of 20 cases`;
}

type DeadlineFacts = Pick<Status, 'finishBy' | 'projected' | 'closedAt' | 'state'>;

/** A projected end is tight if it leaves less than this share of the time until the deadline. */
const TIGHT = 0.1;

/** Null for a job that has no deadline or was cancelled. `at`: milliseconds since the epoch. */
export function marginOf(status: DeadlineFacts, zone: string, at: number): Margin | null {
  if (status.finishBy === null || status.state === 'cancelled') return null;
  const deadline = Date.parse(status.finishBy);
  const text = deadlineText(status, { zone, now: at }) ?? '';
  const end = status.closedAt ?? status.projected;
  if (end === null) {
    const [detail = ''] = text.split(', ');
    return { margin: formatDistance(deadline - at), detail, tone: deadline < at ? 'bad' : 'open' };
  }
  const spare = deadline - Date.parse(end);
  const margin = distanceText(spare);
  const detail = text.endsWith(`, ${margin}`) ? text.slice(0, -margin.length - 2) : text;
  const tight = status.closedAt === null && spare < (deadline - at) * TIGHT;
  return { margin, detail, tone: spare < 0 ? 'bad' : tight ? 'doubtful' : 'good' };
}

/** A remark about a job that its counts don't show. */
interface JobNote {
  readonly tone: Tone | null;
  readonly text: string;
  /** A command that fixes it or shows more. */
  readonly command: string | null;
}

function noteOf(text: string, tone: Tone | null = null, command: string | null = null): JobNote {
  return { text, tone, command };
}

/** Remarks on a missing journal entry, how complete its outputs are, a rehearsal, delivery of outputs, failed notifications and pruning. */
export function notesOf(status: Status, zone: string): readonly JobNote[] {
  const { job, rehearsal, prunedAt, untold, journalHole } = status;
  const notes: JobNote[] = [];
  if (journalHole) {
    const { missing, last } = journalHole;
    const text = `Journal entry ${missing} is missing, although entries up to ${last} exist. Until it is restored, later entries are ignored and nothing is decided about the job.`;
    notes.push(noteOf(text, 'bad', `batchctl history ${job}`));
  }
  const ends = statusEndsText(status);
  if (ends !== null) notes.push(noteOf(`${capitalized(ends)}.`, status.incomplete ? 'bad' : null));
  for (const { who, reason, equation, left, right } of status.accepted)
    notes.push(
      noteOf(`${who} accepted that ${equation} does not hold, with ${left} and ${right}: ${reason}.`, 'doubtful'),
    );
  if (rehearsal !== null) notes.push(noteOf(`Not a real run, but ${rehearsalText(rehearsal.parts, rehearsal.of)}.`));
  if (status.delivery !== null) notes.push(deliveryNote(job, status.delivery, zone));
  for (const { event, to, message, next } of untold) {
    const again = next === null ? 'There will be no retry.' : 'It will be retried.';
    const why = message ?? 'the process died during the attempt';
    notes.push(noteOf(`${to} could not be notified of ${event}: ${why}. ${again}`, 'bad'));
  }
  if (prunedAt !== null)
    notes.push(noteOf(`Outputs, parts and logs were removed at ${formatInstant(Date.parse(prunedAt), zone)}.`));
  return notes;
}

const capitalized = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

type Delivery = NonNullable<Status['delivery']>;

function deliveryNote(job: string, { to, host, state, delivered, failed }: Delivery, zone: string): JobNote {
  const where = host === null ? to : `${to} on ${host}`;
  switch (state) {
    case 'waiting':
      return noteOf(`Outputs will be delivered to ${where}.`);
    case 'none':
      return noteOf(`Nothing was delivered to ${where}: only jobs that succeed deliver.`);
    case 'due':
      return noteOf(`Not yet delivered to ${where}.`, 'open');
    case 'failing':
    case 'givenUp': {
      const again = state === 'failing' ? ' It will be retried.' : '';
      const text = `NOT delivered to ${where}: ${failed?.message ?? 'reason unknown'}.${again}`;
      return noteOf(text, 'bad', `batchctl watch ${job}`);
    }
    case 'delivered': {
      const at = delivered === null ? '' : `, ${formatInstant(Date.parse(delivered.when), zone)}`;
      return noteOf(`Delivered to ${where}${at}.`, 'good');
    }
    default:
      return state satisfies never;
  }
}

export interface Counter {
  readonly step: string;
  readonly name: string;
  /** An exact decimal, its digits in threes. */
  readonly value: string;
}

/** All counters of all steps, in the answer's order. */
export function countersOf(counters: Readonly<Record<string, Readonly<Record<string, string>>>>): readonly Counter[] {
  return Object.entries(counters).flatMap(([step, of]) =>
    Object.entries(of).map(([name, value]) => ({ step, name, value: groupDigits(value) })),
  );
}

/** `peak 61 MB of 64 MB`, with `0.9 CPUs, of 161 of 2,027 attempts`; null if no attempt was measured. */
export function usageText(step: Report['steps'][number]): { readonly main: string; readonly note: string } | null {
  const { needs, peakMemory, cpuSeconds, measured, measuredSeconds, duration } = step;
  if (measured === 0) return null;
  const asked = needs.memory === 0 ? ', none asked for' : ` of ${formatSize(needs.memory)}`;
  const cpus = cpuSeconds === null || measuredSeconds === 0 ? null : cpuSeconds / measuredSeconds;
  const slots = needs.slots === 'all' ? 'a whole worker' : needs.slots === 1 ? '1 slot' : `${needs.slots} slots`;
  const all = duration?.count ?? measured;
  return {
    main: peakMemory === null ? 'memory unknown' : `peak ${formatSize(peakMemory)}${asked}`,
    note: [
      cpus === null ? slots : `${cpus < 10 ? cpus.toFixed(1) : Math.round(cpus)} CPUs on ${slots}`,
      measured === all ? 'all attempts' : `measured ${formatCount(measured)} of ${formatCount(all)}`,
    ].join('; '),
  };
}
