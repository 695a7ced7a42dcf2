import type { JobStatus } from '../answers/status.ts';
import type { Backlog, TenantBacklog } from '../backlog.ts';
import { groupFlag } from '../cause.ts';
import type { Staying } from '../cost/staying.ts';
import type { StepStanding } from '../decide.ts';
import type { UnmetTotal } from '../expect.ts';
import type { GroupMachine, GroupStatus, LaunchTrouble } from '../group-status.ts';
import type { AttemptEvent, LedgerTask, LedgerWorker, StepCounts } from '../ledger/records.ts';
import type { CredentialsFacts, DiskSpace, SupervisorFacts } from '../machine-facts.ts';
import { hasStarted, type JobView, stateOf } from '../view.ts';

/** Everything seen of a job at one moment, bounded in size whatever the job's: the input for finding causes. */
export interface Snapshot {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly leaseSeconds: number;
  /** The version of this batchctl. */
  readonly version: string;
  readonly view: JobView;
  readonly cancelledBy: { readonly who: string; readonly when: string } | null;
  /** From a listing of the store; null if it could not be listed. */
  readonly steps: readonly StepSnapshot[] | null;
  /** The ledger's counters; null if it can't be reached. */
  readonly counts: readonly StepCounts[] | null;
  /** Running tasks as far as the ledger knows, at most `MAX_RUNNING_TASKS`. */
  readonly running: readonly LedgerTask[];
  /** A few undecided tasks with all their attempts, those begun most often first. */
  readonly histories: readonly TaskHistory[];
  readonly groups: readonly GroupSnapshot[];
  /** A few dead letters of undecided tasks; all others are of tasks that failed for good. */
  readonly deadLetters: readonly DeadLetterSnapshot[];
  readonly failures: readonly FailureSnapshot[];
  /** The control totals that failed the job. Absent: none, or not known. */
  readonly unmet?: readonly UnmetTotal[];
  /** The canaries of a retry whose rest is held back; null if there is none. */
  readonly canaries: CanarySnapshot | null;
  readonly durations: ReadonlyMap<string, DurationSnapshot>;
  /** Mean seconds per task by step, from the latest earlier run of the same job; null if there is none. */
  readonly earlier: { readonly job: string; readonly means: ReadonlyMap<string, number> } | null;
  readonly disks: readonly DiskSpace[];
  /** Receivers whose notifications failed. */
  readonly untold?: JobStatus['untold'];
  /** The credentials of the machine that runs `why`; null if it uses none. */
  readonly credentials: CredentialsFacts | null;
  /** The readings that failed. */
  readonly troubles: readonly Trouble[];
}

export const MAX_RUNNING_TASKS = 1_000;

export interface StepSnapshot extends Omit<StepStanding, 'undecided'> {
  readonly group: string;
  /** For a step with a barrier: whether it may begin. False for all others. */
  readonly opened: boolean;
  readonly undecided: number;
  /** Undecided tasks that another group has taken over after frequent spot interruptions. Absent: none. */
  readonly handedOver?: { readonly group: string; readonly tasks: number };
  /** The first few undecided tasks. */
  readonly some: readonly number[];
}

export interface GroupSnapshot {
  readonly group: string;
  readonly undecided: number;
  readonly size: GroupStatus | null;
  readonly supervisor: SupervisorFacts | null;
  readonly backlog: Backlog | null;
  /** The job's own messages; null if the queue can't tell. */
  readonly mine: TenantBacklog | null;
  /** Undecided tasks without a message, in two looks; 0 if unknown. */
  readonly missing: number;
  /** The newest format of a delayed message that this version can't read; null if none. */
  readonly newerFormat: number | null;
  /** Its workers: live, draining, lost and recently gone. */
  readonly workers: readonly WorkerSnapshot[];
  /** Its idle workers that may not end their machines. Absent or null: none. */
  readonly staying?: Staying | null;
  /** Its machines; empty if its workers are processes, or started by hand. */
  readonly machines: readonly GroupMachine[];
  /** Why its last launches failed: each reason once. */
  readonly launchTroubles: readonly LaunchTrouble[];
  /** After this many consecutive failed boots none is started automatically; null if launches aren't held. */
  readonly hold: HoldSnapshot | null;
}

export interface HoldSnapshot {
  readonly failed: number;
  /** The instance of the last failed boot. */
  readonly instance: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The step that failed, and the last line that it wrote, if known. */
  readonly step: string | null;
  readonly line: string | null;
}

export interface WorkerSnapshot extends Omit<LedgerWorker, 'state'> {
  /** `lost`: not seen for four heartbeats, without having said that it left. */
  readonly state: LedgerWorker['state'] | 'lost';
}

export interface TaskHistory {
  readonly step: string;
  readonly task: number;
  readonly attempts: readonly AttemptEvent[];
  /** Marks of attempts of an often delivered task that began and were never settled. */
  readonly begun: number;
}

export interface DeadLetterSnapshot {
  readonly group: string;
  readonly step: string;
  readonly task: number;
  readonly reason: string;
}

export interface CanarySnapshot {
  readonly round: number;
  readonly all: number;
  readonly published: number;
  /** A few of those that failed for good: `price/17`. */
  readonly failed: readonly string[];
}

export interface FailureSnapshot {
  readonly id: string | null;
  readonly step: string;
  readonly reason: string;
  readonly exitCode: number | null;
  readonly error: string | null;
  readonly count: number;
  /** An example task: `price/17`; and its parameters, `lr=0.1, seed=3`, or null. */
  readonly example: string;
  readonly params: string | null;
  /** The fix where a retry alone does not help; null: a retry. */
  readonly fix: string | null;
}

export interface DurationSnapshot {
  /** Seconds. */
  readonly median: number;
  readonly longest: number;
  readonly sampled: number;
}

export interface Trouble {
  readonly service: 'store' | 'queue' | 'ledger' | 'group' | 'disk' | 'credentials';
  readonly group: string | null;
  readonly kind: string;
  readonly message: string;
  readonly hint: string | null;
  /** The permission that a policy denies: `sqs:ReceiveMessage on arn:...`; null for any other trouble. */
  readonly denied: string | null;
}

/** Questions about a snapshot that several causes ask. */

/** Not closed, not paused, due: tasks of it should run. */
export function shouldRun(seen: Snapshot): boolean {
  const state = stateOf(seen.view);
  return (state === 'running' || state === 'submitted') && isDue(seen) && seen.view.stopped === null;
}

export const isDue = ({ view, now }: Snapshot): boolean => hasStarted(view, now);

/** Workers that take tasks, or soon may. */
export function availableWorkers({ workers }: GroupSnapshot): readonly WorkerSnapshot[] {
  return workers.filter(({ state }) => state === 'idle' || state === 'busy' || state === 'starting');
}

/** Names of the job's tasks that live workers report as running: `price/17`. */
export function runningTaskNames(seen: Snapshot): ReadonlySet<string> {
  const prefix = `${seen.view.record.job}/`;
  const names = new Set<string>();
  for (const { workers } of seen.groups) {
    for (const { state, busy } of workers) {
      if (state === 'gone' || state === 'lost') continue;
      for (const task of busy) if (task.startsWith(prefix)) names.add(task.slice(prefix.length));
    }
  }
  return names;
}

export function groupsWithWork(seen: Snapshot): readonly GroupSnapshot[] {
  return seen.groups.filter(({ undecided }) => undecided > 0);
}

export function stepsOf(seen: Snapshot, group: string): readonly StepSnapshot[] {
  return (seen.steps ?? []).filter((step) => undecidedFor(step, group) > 0);
}

export function undecidedFor({ group: own, undecided, handedOver }: StepSnapshot, group: string): number {
  const others = handedOver?.tasks ?? 0;
  return (own === group ? undecided - others : 0) + (handedOver?.group === group ? others : 0);
}

export const undecidedIn = (seen: Snapshot): number =>
  (seen.steps ?? []).reduce((sum, { undecided }) => sum + undecided, 0);

/** How to get a worker for a group: one or two commands. */
export function startWorkerHint({ group, size }: GroupSnapshot, flags = ''): string {
  const flag = groupFlag(group) + flags;
  if (size?.machines !== undefined) return `batchctl scale ${Math.max(1, size.desired)}${flag}`;
  if (size?.byHand) return `batchctl worker --here${flag} --until-empty, on any machine that can reach the queues`;
  return `batchctl scale ${Math.max(1, size?.desired ?? 1)}${flag}, to keep a worker running; batchctl worker${flag} --until-empty, to run one now`;
}

/** Seconds since an instant, at least 0. */
export const secondsSince = ({ now }: Snapshot, instant: number): number => Math.max(0, now - instant) / 1_000;

/** Seconds until an instant, at least 0. */
export const secondsUntil = ({ now }: Snapshot, instant: number): number => Math.max(0, instant - now) / 1_000;
