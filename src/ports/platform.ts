import type { Clock } from '../lib/clock.ts';
import type { OpenBucket } from './bucket.ts';
import type { Insight } from './insight.ts';
import type { Ledger } from './ledger.ts';
import type { Machine } from './machine.ts';
import type { MetricsSink } from './metrics.ts';
import type { Notices } from './notifier.ts';
import type { ObjectStore } from './object-store.ts';
import type { SecretSource } from './secret-source.ts';
import type { TaskQueue } from './task-queue.ts';
import type { WorkerGroup } from './worker-group.ts';

/** The four ports of a profile, opened lazily: what every verb and worker is given. */
export interface Platform {
  readonly store: ObjectStore;
  /** A bucket named whole, `s3://NAME/...`: where inputs may lie and outputs go. */
  readonly bucket: OpenBucket;
  readonly clock: Clock;
  /** Who acts: `user@host`, or the worker's id. */
  readonly who: string;
  /** How long a delivery is held unless its heartbeat extends it. */
  readonly leaseSeconds: number;
  ledger(): Promise<Ledger>;
  queue(group: string): Promise<TaskQueue>;
  group(name: string): Promise<WorkerGroup>;
  /** Its groups, where the profile says which there are; absent: any that a job names. */
  readonly groups?: readonly string[];
  /** How a thread of its own opens the same queue, for heartbeats that nothing blocks. */
  queueModule(group: string): QueueModule;
  /** The machine that this worker runs on, where a group started it; absent, or null, elsewhere. */
  machine?(): Promise<Machine | null>;
  /** Makes a directory for a worker's attempts, on the store's file system where it has one. */
  scratch(worker: string): Promise<string>;
  /**
   * Removes what dead workers left on this machine: their scratch, and logs that nothing was written to since `before`
   * (milliseconds since the epoch); `dryRun` only counts. Absent where only a worker that starts does it.
   */
  removeLeftBehind?(before: number, dryRun: boolean): { readonly objects: number; readonly bytes: number };
  /** The file that holds an object's bytes (its first `size`), where the store has files; else null. */
  localFile(key: string): { readonly path: string; readonly size: number } | null;
  /** What the backend tells of itself; absent where it can't. */
  readonly insight?: Insight;
  /** How people are told of events, and whom the profile tells; absent: nobody is. */
  readonly notices?: Notices;
  /** Where keepers put figures; absent: nowhere. */
  readonly metrics?: MetricsSink;
  /** Secrets that a service keeps; absent where none is asked. */
  readonly secrets?: SecretSource;
  /**
   * Patterns of the `env:` and `file:` references that workers read for jobs; null: any. `commandUser`: their commands run
   * as another user, and so can't read by themselves what the worker can. Absent: any.
   */
  allowedSecrets?(commandUser: boolean): readonly string[] | null;
  /** What the profile gives the commands of a group besides their step's own; absent: nothing. */
  commandSettings?(group: string): CommandSettings;
  /** Whether a group's machines are left once they are told to be at elevated risk of interruption; absent: no. */
  leavesAtRisk?(group: string): boolean;
  /** Limits on what its machines may cost; absent where none costs anything. */
  readonly budget?: Budget;
  /** Workers may run on other machines, which can't read this one's files: a job's local inputs are put into the store. */
  readonly remote?: true;
  /** Prints a warning for the caller: the work goes on, but something needs attention. Absent: no one is there to read it. */
  warn?(line: string): void;
  /** Throws `config` where the profile forbids to write here. Each write asks by itself; to ask early spares work. */
  mayWrite?(): Promise<void>;
  /** Throws `credentials` when what lets this process in ends within so many seconds, and nothing follows it. */
  requireAccess?(seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** US dollars; null: no limit. */
export interface Budget {
  /** Of all groups together, in a calendar month of the zone. */
  readonly month: number | null;
  /** Of a job without a limit of its own. */
  readonly job: number | null;
  /** IANA. */
  readonly zone: string;
}

export interface CommandSettings {
  readonly env: Readonly<Record<string, string>>;
  /** Names to references. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** A queue that a thread makes for itself: `await (await import(module))[exportName](options)`. */
export interface QueueModule {
  readonly module: string;
  readonly exportName: string;
  /** Whatever can be cloned into a thread. */
  readonly options: unknown;
}
