import type { CredentialsFacts, DiskSpace, SupervisorFacts } from '../../ports/insight.ts';
import type { AttemptEvent, LedgerTask, LedgerWorker, StepCounts } from '../../ports/ledger.ts';
import type { Backlog, TenantBacklog } from '../../ports/task-queue.ts';
import type { GroupStatus, LaunchTrouble, MachineSeen } from '../../ports/worker-group.ts';
import { type JobView, stateOf } from '../view.ts';
import { groupFlag } from './cause.ts';

/** All that was seen of a job at one moment, bounded in size whatever the job's: what the causes are worked out from. */
export interface Snapshot {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly leaseSeconds: number;
  /** Of this batchctl. */
  readonly version: string;
  readonly view: JobView;
  /** Who cancelled it and when, or null. */
  readonly cancelledBy: { readonly who: string; readonly when: string } | null;
  /** By listing the store; null where it could not be listed. */
  readonly steps: readonly StepSeen[] | null;
  /** The ledger's counters; null where it can't be reached. */
  readonly counts: readonly StepCounts[] | null;
  /** Tasks that run as far as the ledger knows, at most `RUNNING_SEEN`. */
  readonly running: readonly LedgerTask[];
  /** A few undecided tasks with all their attempts, those first that were begun most often. */
  readonly histories: readonly TaskHistory[];
  readonly groups: readonly GroupSeen[];
  /** Dead letters of tasks that are undecided, a few; all others are of tasks that failed for good. */
  readonly deadLetters: readonly DeadSeen[];
  readonly failures: readonly FailureSeen[];
  /** Of a retry whose rest is held back; null where none is. */
  readonly canaries: CanariesSeen | null;
  /** Durations of done tasks by step, from a sample of their outputs. */
  readonly durations: ReadonlyMap<string, DurationsSeen>;
  /** Mean seconds a task by step, of the latest earlier run of the same job; null if there is none. */
  readonly earlier: { readonly job: string; readonly means: ReadonlyMap<string, number> } | null;
  readonly disks: readonly DiskSpace[];
  /** Who could not be told of it. */
  readonly untold?: readonly UntoldSeen[];
  /** What signs requests from where `why` looks; null where nothing does. */
  readonly credentials: CredentialsFacts | null;
  /** What could not be looked at. */
  readonly troubles: readonly Trouble[];
}

export const RUNNING_SEEN = 1_000;

export interface StepSeen {
  readonly name: string;
  readonly group: string;
  /** Of a step with a barrier: whether it may begin. False for all others. */
  readonly opened: boolean;
  readonly total: number;
  readonly published: number;
  /** For good, and not skipped. */
  readonly failed: number;
  readonly skipped: number;
  readonly undecided: number;
  /** Of the undecided: what spot kept ending, and another group takes over by now. Absent: none. */
  readonly handedOver?: { readonly group: string; readonly tasks: number };
  /** The first few undecided tasks. */
  readonly some: readonly number[];
}

export interface GroupSeen {
  readonly group: string;
  /** Undecided tasks of the job in steps of this group. */
  readonly undecided: number;
  readonly size: GroupStatus | null;
  readonly supervisor: SupervisorFacts | null;
  readonly backlog: Backlog | null;
  /** The job's own messages; null where the queue can't tell. */
  readonly mine: TenantBacklog | null;
  /** Undecided tasks without a message, in two looks; 0 where that can't be told. */
  readonly missing: number;
  /** The newest format of a delayed message that this version can't read; null if none. */
  readonly newerFormat: number | null;
  /** Workers that serve it, live, draining, lost and lately gone. */
  readonly workers: readonly WorkerSeen[];
  /** The machines that it holds; empty where its workers are processes, or started by hand. */
  readonly machines: readonly MachineSeen[];
  /** Why its last launches failed: each reason once. */
  readonly launchTroubles: readonly LaunchTrouble[];
  /** So many boots in a row failed that none is started by itself; null where it isn't held. */
  readonly hold: HoldSeen | null;
}

interface UntoldSeen {
  readonly event: string;
  readonly to: string;
  readonly tries: number;
  readonly message: string | null;
  readonly next: string | null;
}

export interface HoldSeen {
  readonly failed: number;
  /** Of the last one. */
  readonly instance: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What failed, and the last line that it wrote, as far as it is known. */
  readonly step: string | null;
  readonly line: string | null;
}

export interface WorkerSeen extends Omit<LedgerWorker, 'state'> {
  /** `lost`: not seen for four heartbeats, and it did not say that it left. */
  readonly state: LedgerWorker['state'] | 'lost';
}

export interface TaskHistory {
  readonly step: string;
  readonly task: number;
  readonly attempts: readonly AttemptEvent[];
  /** Marks of attempts that began and were never settled, of an often delivered task. */
  readonly begun: number;
}

export interface DeadSeen {
  readonly group: string;
  readonly step: string;
  readonly task: number;
  readonly reason: string;
}

export interface CanariesSeen {
  readonly round: number;
  readonly all: number;
  readonly published: number;
  /** Those that failed for good, a few: `price/17`. */
  readonly failed: readonly string[];
}

/** Failures for good that share a cause. */
export interface FailureSeen {
  readonly id: string | null;
  readonly step: string;
  readonly reason: string;
  readonly exitCode: number | null;
  readonly error: string | null;
  readonly count: number;
  /** One task that failed so: `price/17`. */
  readonly example: string;
}

export interface DurationsSeen {
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
  /** What a policy denies: `sqs:ReceiveMessage on arn:...`; null for any other trouble. */
  readonly denied: string | null;
}

/** What several causes ask of a snapshot. */

/** Not closed, not paused, due: tasks of it should run. */
export function shouldRun(seen: Snapshot): boolean {
  const state = stateOf(seen.view);
  return (state === 'running' || state === 'submitted') && isDue(seen) && seen.view.stopped === null;
}

export function isDue({ view, now }: Snapshot): boolean {
  return view.notBefore === null || Date.parse(view.notBefore) <= now;
}

/** Workers that take, or may soon take, tasks. */
export function taking({ workers }: GroupSeen): readonly WorkerSeen[] {
  return workers.filter(({ state }) => state === 'idle' || state === 'busy' || state === 'starting');
}

/** Names of the job's tasks that live workers say they run: `price/17`. */
export function busyWith(seen: Snapshot): ReadonlySet<string> {
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

/** Groups in which the job has something to do. */
export function wanted(seen: Snapshot): readonly GroupSeen[] {
  return seen.groups.filter(({ undecided }) => undecided > 0);
}

/** Steps with something to do, of one group. */
export function stepsOf(seen: Snapshot, group: string): readonly StepSeen[] {
  return (seen.steps ?? []).filter((step) => undecidedFor(step, group) > 0);
}

/** How many of a step's undecided tasks a group is to take. */
export function undecidedFor({ group: own, undecided, handedOver }: StepSeen, group: string): number {
  const others = handedOver?.tasks ?? 0;
  return (own === group ? undecided - others : 0) + (handedOver?.group === group ? others : 0);
}

export const undecidedIn = (seen: Snapshot): number =>
  (seen.steps ?? []).reduce((sum, { undecided }) => sum + undecided, 0);

/** What gets a worker for a group: an act or two. */
export function startOne({ group, size }: GroupSeen, flags = ''): string {
  const flag = groupFlag(group) + flags;
  if (size?.machines !== undefined) return `batchctl scale ${Math.max(1, size.desired)}${flag}`;
  if (size?.byHand) return `batchctl worker --here${flag} --until-empty, on any machine that can reach the queues`;
  return `batchctl scale ${Math.max(1, size?.desired ?? 1)}${flag}, to keep a worker running; batchctl worker${flag} --until-empty, to run one now`;
}

/** Seconds since an instant, never less than none. */
export const since = ({ now }: Snapshot, instant: number): number => Math.max(0, now - instant) / 1_000;
