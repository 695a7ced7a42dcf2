import type { BreakerTrip } from './breaker.ts';
import type { CORRECTABLE_STEP_FIELDS, Extent, InputSpec, JobFormat, JobInput, StepSpec } from './job.ts';

/** An entry in a job's record of decisions: one object each (law 2). Tasks are written as sets: `{price: "0-4,17"}`. */
export type JournalEntry = EntryBase & EntryKind;

export interface EntryBase {
  readonly format: JobFormat;
  /** The least version of workers, if the job didn't need it before. */
  readonly needs?: string;
  /** Random, so that an appender recognizes its own entry. */
  readonly id: string;
  /** ISO-8601 UTC. */
  readonly when: string;
  /** A person's `user@host`, a worker's id, or `manager`. */
  readonly who: string;
}

/** Step name to a set of tasks in ascending ranges. */
export type TaskSets = Readonly<Record<string, string>>;

/**
 * The changes of a retry to its tasks; later rounds build on it (`model/overrides.ts`). With `steps` it holds a whole
 * changed job file, and replaces the changes of earlier rounds.
 */
export interface Overrides {
  /** Seconds, for every step; null: the steps' own values. */
  readonly timeout?: number | null;
  /** From `--set`. */
  readonly params?: Readonly<Record<string, string>>;
  /** Parameters whose default the changed job file changed; `params` take precedence. */
  readonly defaults?: Readonly<Record<string, string>>;
  /** The changed program's archive; null: the changed job file ships none. */
  readonly code?: string | null;
  /** By step: the fields in which the changed job file differs from the job as accepted. */
  readonly steps?: Readonly<Record<string, StepChange>>;
  /** The changed job file's control totals; absent: those that the job was accepted with. */
  readonly expect?: readonly string[];
}

export type StepChange = Partial<Pick<StepSpec, (typeof CORRECTABLE_STEP_FIELDS)[number]>>;

export type EntryKind =
  | { readonly what: 'sent' }
  | { readonly what: 'resend'; readonly tasks: TaskSets; readonly after: number }
  /** `detail`: the finding of the guard that paused it; `tripped`: the step's facts, if that guard is the breaker. */
  | {
      readonly what: 'pause';
      readonly now: boolean;
      readonly reason: string;
      readonly detail?: string;
      readonly tripped?: BreakerTrip;
    }
  | { readonly what: 'resume' }
  | { readonly what: 'cancel' }
  /** `onFailure: stop` took effect: everything undecided by then is given up. */
  | { readonly what: 'stop'; readonly cause: string }
  | {
      readonly what: 'adjust';
      readonly tolerate?: string;
      readonly maxRunning?: number | null;
      /** ISO-8601 UTC; null removes it. */
      readonly finishBy?: string | null;
      /** USD; null removes it. */
      readonly maxCost?: number | null;
      /** ISO-8601 UTC: the new start of a job that has not begun. */
      readonly notBefore?: string;
    }
  | { readonly what: 'kill'; readonly tasks: TaskSets; readonly mode: 'requeue' | 'fail' }
  | {
      readonly what: 'skip';
      readonly tasks: TaskSets;
      readonly reason: string;
      /** Those of them that had failed for good: `status` counts them once. */
      readonly failed?: TaskSets;
      /** A closed job is open again, in this round; absent if it was open. */
      readonly round?: number;
      /** True: tasks that `onFailure: stop` gave up continue, because failures are within the tolerance now. */
      readonly unstop?: boolean;
    }
  | {
      readonly what: 'unskip';
      readonly tasks: TaskSets;
      /** A closed job is open again, or tasks are asked for, in this round. */
      readonly round?: number;
      /** The undecided tasks among them, which this round requests. Those that failed count as failed again. */
      readonly asked?: TaskSets;
    }
  /**
   * A control total that failed the job is accepted with exactly these sides, which are exact decimals. The job is open
   * again, in this round, and its next close judges again.
   */
  | {
      readonly what: 'accept';
      readonly equation: string;
      readonly left: string;
      readonly right: string;
      readonly reason: string;
      readonly round: number;
    }
  | {
      readonly what: 'retry';
      readonly round: number;
      /** All tasks asked for, including the canaries, which go first. */
      readonly tasks: TaskSets;
      readonly canaries: TaskSets | null;
      readonly overrides: Overrides;
      /** Steps behind a barrier that were open and don't belong to this round, unless tasks of them are named. */
      readonly opened?: readonly string[];
    }
  | { readonly what: 'retry-rest'; readonly round: number }
  /** Adds inputs and parts to the job, and so tasks of the first section's steps; `records`: null if not counted. */
  | (Omit<Extent, 'firstInput'> & {
      readonly what: 'extend';
      readonly inputs: readonly JobInput[];
      readonly records: number | null;
      /** What the job's input is now. */
      readonly input: InputSpec;
      readonly maxTasks: number;
    })
  /**
   * A step that waits for the previous one leaves out some of its tasks: no later entry can ask for them in time. If
   * none is left out there is no entry, as all that can be asked for is published. opened.json follows with the same
   * content and the entry's id.
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
      /** The reason in words, with what the code doesn't say. */
      readonly detail?: string;
    }
  /** The outputs of the close with that number are delivered: all of them are at `to`, with manifest and marker. */
  | {
      readonly what: 'delivered';
      readonly after: number;
      readonly to: string;
      readonly outputs: number;
      readonly bytes: number;
    }
  /** The delivery failed; watchers wait before they retry. `kind` is the error's. */
  | {
      readonly what: 'undelivered';
      readonly after: number;
      readonly to: string;
      readonly kind: string;
      readonly message: string;
      readonly hint: string | null;
    }
  /**
   * From now on the job's outputs are removed; no entry follows. `remains`: the checksums of what stays, by key below
   * the job's prefix, and of the earlier entries. An entry without it was altered.
   */
  | { readonly what: 'prune'; readonly remains?: Readonly<Record<string, string>> };

/** Reasons of pauses: by a person who gave none; by the job's `halt`; because many tasks fail on many workers. */
export const PERSON_REASON = 'person';
export const HALT_REASON = 'halt';
export const DEPLOYMENT_REASON = 'deployment';
/** As `deployment`, but all of them failed because an input is not the accepted one any more. */
export const CHANGED_REASON = 'changed';
/** The job, or the stack in this month, has reached its cost limit. */
export const BUDGET_REASON = 'budget';
/** A secret can't be read; workers are denied access to an input or output. */
export const SECRET_REASON = 'secret';
export const DENIED_REASON = 'denied';

/** The reason of a close as failed although every task ended: a control total doesn't hold. */
export const UNMET_REASON = 'expect';

export type EntryWhat = EntryKind['what'];
