import type { Clock } from '../lib/clock.ts';
import type { Environment } from '../lib/environment.ts';
import type { OpenBucket } from './bucket.ts';
import type { Insight } from './insight.ts';
import type { Ledger } from './ledger.ts';
import type { Machine } from './machine.ts';
import type { MetricsSink } from './metrics.ts';
import type { NotificationSettings } from './notifier.ts';
import type { ObjectStore } from './object-store.ts';
import type { SecretSource } from './secret-source.ts';
import type { TaskQueue } from './task-queue.ts';
import type { WorkerGroup } from './worker-group.ts';

/** The four ports of a profile, opened lazily: the context of every verb and worker. */
export interface Platform {
  readonly store: ObjectStore;
  /** A bucket given by its name, `s3://NAME/...`, for inputs and outputs. */
  readonly bucket: OpenBucket;
  readonly clock: Clock;
  /** The actor: `user@host`, or the worker's id. */
  readonly who: string;
  /** How long a lease lasts unless a heartbeat extends it. */
  readonly leaseSeconds: number;
  ledger(): Promise<Ledger>;
  queue(group: string): Promise<TaskQueue>;
  group(name: string): Promise<WorkerGroup>;
  /** Its groups, if the profile defines them; absent: any that a job names. */
  readonly groups?: readonly string[];
  /** How another thread opens the same queue, for heartbeats that nothing can block. */
  queueModule(group: string): QueueModule;
  /** The machine that this worker runs on, if a group started it; absent or null otherwise. */
  machine?(): Promise<Machine | null>;
  /** Creates a directory for a worker's attempts, on the store's file system if it has one. */
  scratch(worker: string): Promise<string>;
  /**
   * Removes what dead workers left on this machine: their scratch, and logs not written to since `before` (milliseconds
   * since the epoch); `dryRun` only counts. Absent if only a starting worker does this.
   */
  removeLeftovers?(before: number, dryRun: boolean): { readonly objects: number; readonly bytes: number };
  /** The file with an object's bytes (its first `size`), if the store has files; otherwise null. */
  localFile(key: string): { readonly path: string; readonly size: number } | null;
  /** Diagnostics of the backend; absent if it has none. */
  readonly insight?: Insight;
  /** How notifications are sent, and the profile's receivers; absent: none are sent. */
  readonly notices?: NotificationSettings;
  /** Where keepers send metrics; absent: nowhere. */
  readonly metrics?: MetricsSink;
  /** Secrets in a service; absent if none is used. */
  readonly secrets?: SecretSource;
  /**
   * Patterns of the `env:` and `file:` references that workers read for jobs; null: any. `commandUser`: their commands
   * run as another user, and so can't read what the worker can. Absent: any.
   */
  allowedSecrets?(commandUser: boolean): readonly string[] | null;
  /** The profile's variables and secrets for a group's commands, in addition to their step's own; absent: none. */
  commandSettings?(group: string): CommandSettings;
  /** Whether workers leave a group's machines that have an elevated risk of interruption; absent: no. */
  shouldLeaveAtRisk?(group: string): boolean;
  /** Cost limits for its machines; absent if they cost nothing. */
  readonly budget?: Budget;
  /** What follows from where its workers run. */
  readonly workplace: Workplace;
  /**
   * How far the clock of the store's service is ahead of this machine's, milliseconds, by its latest answer; exact to a
   * second. Null before its first answer. Absent: the store has no clock of its own.
   */
  clockOffset?(): number | null;
  /** Prints a warning for the caller: the work goes on, but something needs attention. Absent: there is no reader. */
  warn?(line: string): void;
  /** Throws `config` if the profile forbids writing from here. Each write checks itself; checking early saves work. */
  requireWriteAccess?(): Promise<void>;
  /** Throws `credentials` if this process's credentials expire within that many seconds, without successors. */
  requireLastingAccess?(seconds: number): Promise<void>;
  close(): Promise<void>;
}

/** What follows from where workers run: as processes of this machine, or on machines that groups start. */
export interface Workplace {
  /**
   * Workers read this machine's files: inputs are read in place, and a path or a program means the same to them. Otherwise
   * local inputs are put into the store.
   */
  readonly sharesFiles: boolean;
  /** Groups start and end machines, so their size follows the work. Otherwise people start workers. */
  readonly sizesGroups: boolean;
  /** A request to the store or a queue costs money and a round trip: looks are rare, and watchers share them. */
  readonly paysRequests: boolean;
  /** Milliseconds that a queue's counts may be late, including the time for sending; 0 if they are exact. */
  readonly countsLateMs: number;
  /**
   * Milliseconds for which a watcher retries an unreachable service, as the job continues without it; 0: errors of this
   * machine won't pass so soon.
   */
  readonly outageMs: number;
  /** Commands of this machine work on its jobs unless other workers are asked for. */
  readonly worksHere: boolean;
  /** Slots of one worker, unless it is started with another number; 1 if each group has its own. */
  readonly slots: number;
  readonly advice: {
    /** The command that works on jobs that have no worker. */
    readonly work: string;
    /** What workers need before a change of the profile applies to them. */
    readonly apply: string;
    /** A store that creates each name once. */
    readonly store: string;
  };
}

/** The same open ports for another actor, who reads the warnings. */
export const actingFor = (platform: Platform, { who, warn }: Required<Pick<Platform, 'who' | 'warn'>>): Platform => ({
  ...platform,
  who,
  warn,
});

/** US dollars; null: no limit. */
export interface Budget {
  /** For all groups together, in a calendar month of the zone. */
  readonly month: number | null;
  /** For a job without a limit of its own. */
  readonly job: number | null;
  readonly zone: string;
}

export interface CommandSettings {
  readonly env: Readonly<Record<string, string>>;
  /** Names to references. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** A queue that a thread opens for itself: `await (await import(module))[exportName](options)`. */
export interface QueueModule {
  readonly module: string;
  readonly exportName: string;
  /** Any value that can be cloned into a thread. */
  readonly options: unknown;
}

/** How a platform is opened. */
export interface PlatformOptions {
  readonly role: 'cli' | 'worker';
  /** Who acts: a worker's id; by default a person's `user@host`. */
  readonly who?: string;
  /** Where a manager's token is; by default the process's own. */
  readonly env?: Environment;
  /** Seconds; by default the profile's own. Tests shorten it. */
  readonly leaseSeconds?: number;
  /** Milliseconds to wait for an unreachable queue (locally also the ledger); by default the profile's. */
  readonly patienceMs?: number;
  /** Receives problems that don't prevent work, such as a queue's attributes. */
  readonly onWarning?: (line: string) => void;
}
