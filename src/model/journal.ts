import type { Tripped } from './breaker.ts';
import type { StepSpec } from './job.ts';

/**
 * A job's own record of decisions: one entry an object, create-if-absent (law 2).
 * Tasks are written as sets: `{price: "0-4,17"}`.
 */
export type JournalEntry = EntryBase & EntryKind;

export interface EntryBase {
  readonly format: 1;
  /** Random: by it an appender knows its own entry again. */
  readonly id: string;
  /** ISO-8601 UTC. */
  readonly when: string;
  /** A person's `user@host`, a worker's id, or `manager`. */
  readonly who: string;
}

/** Step name to a set of tasks in ascending ranges. */
export type TaskSets = Readonly<Record<string, string>>;

/**
 * What a retry changes for the tasks that it asks for; later rounds build on it (`model/overrides.ts`). With `steps` it
 * is the whole of a mended job file, and takes the place of what earlier rounds changed.
 */
export interface Overrides {
  /** Seconds, for every step; null: as the steps say. */
  readonly timeout?: number | null;
  /** By `--set`. */
  readonly params?: Readonly<Record<string, string>>;
  /** Parameters whose default the mended job file changed; `params` go before them. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** The mended program's archive; null: the mended job file ships none. */
  readonly code?: string | null;
  /** By step: the fields in which the mended job file differs from the job as accepted. */
  readonly steps?: Readonly<Record<string, StepChange>>;
}

/** The fields of a step that a mended job file may change: what a worker reads at each attempt. */
export type StepChange = Partial<
  Pick<
    StepSpec,
    | 'run'
    | 'input'
    | 'header'
    | 'join'
    | 'timeout'
    | 'stall'
    | 'attempts'
    | 'permanent'
    | 'maxRunning'
    | 'needs'
    | 'env'
    | 'secrets'
  >
>;

export type EntryKind =
  | { readonly what: 'sent' }
  | { readonly what: 'resend'; readonly tasks: TaskSets; readonly after: number }
  /** `detail`: what a guard that paused it found, in words; `tripped`: what it speaks of, where it is the breaker. */
  | {
      readonly what: 'pause';
      readonly now: boolean;
      readonly reason: string;
      readonly detail?: string;
      readonly tripped?: Tripped;
    }
  | { readonly what: 'resume' }
  | { readonly what: 'cancel' }
  /** `onFailure: stop` fired: what is not decided by then is given up. */
  | { readonly what: 'stop'; readonly cause: string }
  | {
      readonly what: 'adjust';
      readonly tolerate?: string;
      readonly maxRunning?: number | null;
      /** ISO-8601 UTC; null lifts it. */
      readonly finishBy?: string | null;
      /** USD; null lifts it. */
      readonly maxCost?: number | null;
      /** ISO-8601 UTC: when a job that has not begun is to. */
      readonly notBefore?: string;
    }
  | { readonly what: 'kill'; readonly tasks: TaskSets; readonly mode: 'requeue' | 'fail' }
  | {
      readonly what: 'skip';
      readonly tasks: TaskSets;
      readonly reason: string;
      /** Those of them that had failed for good: `status` counts them once. */
      readonly failed?: TaskSets;
      /** A closed job is open again, in this round; absent where it was open. */
      readonly round?: number;
      /** True: what `onFailure: stop` gave up goes on, as no more failed than is tolerated. */
      readonly unstop?: boolean;
    }
  | {
      readonly what: 'unskip';
      readonly tasks: TaskSets;
      /** A closed job is open again, or tasks are asked for, in this round. */
      readonly round?: number;
      /** Those of them that nothing has decided: the round asks for them. Those that failed count as failed again. */
      readonly asked?: TaskSets;
    }
  | {
      readonly what: 'retry';
      readonly round: number;
      /** All tasks asked for; canaries among them go first. */
      readonly tasks: TaskSets;
      readonly canaries: TaskSets | null;
      readonly overrides: Overrides;
      /** Steps behind a barrier that were open and are none of this round's, unless tasks of them are named. */
      readonly opened?: readonly string[];
    }
  | { readonly what: 'retry-rest'; readonly round: number }
  /**
   * What waits for the step before it goes without some of its tasks: no later entry can ask for them in time. Without
   * such tasks there is no entry, as all that can be asked for is published. opened.json says the same, has the entry's id, and follows.
   */
  | {
      readonly what: 'open';
      readonly step: string;
      readonly count: number;
      readonly leftOut: string;
    }
  | {
      readonly what: 'close';
      readonly state: 'succeeded' | 'failed' | 'cancelled';
      readonly reason: string | null;
      readonly round: number;
    }
  /** What the close of that number left is delivered: all of it lies at `to`, manifest and marker too. */
  | {
      readonly what: 'delivered';
      readonly after: number;
      readonly to: string;
      readonly outputs: number;
      readonly bytes: number;
    }
  /** It could not be; watchers wait before they try again. `kind` is the error's. */
  | {
      readonly what: 'undelivered';
      readonly after: number;
      readonly to: string;
      readonly kind: string;
      readonly message: string;
      readonly hint: string | null;
    }
  /**
   * What the job wrote is removed from now on; nothing follows it. `remains`: the checksums of what stays, by key below the
   * job's prefix, and of the entries before this one; early versions wrote none.
   */
  | { readonly what: 'prune'; readonly remains?: Readonly<Record<string, string>> };

/** The reason of a pause because many tasks fail on many workers, and next to none succeeds. */
export const DEPLOYMENT = 'deployment';

/** The reason of a pause because the job, or the stack in this month, has cost what it may. */
export const BUDGET = 'budget';

/** The reason of a pause because a secret can't be read. */
export const SECRET = 'secret';

/** The reason of a pause because workers are denied a task's input. */
export const DENIED = 'denied';

export type EntryWhat = EntryKind['what'];

/** A journal of which an entry is missing, and later ones are there. */
export interface JournalHole {
  /** The number of the first entry that is missing, and of the last that is there. */
  readonly missing: number;
  readonly last: number;
}
