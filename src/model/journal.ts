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

export interface Overrides {
  readonly timeout?: number;
  readonly params?: Readonly<Record<string, string>>;
  /** The mended program: its archive, and the steps' commands. */
  readonly code?: string | null;
  readonly runs?: Readonly<Record<string, readonly string[] | string>>;
}

export type EntryKind =
  | { readonly what: 'sent' }
  | { readonly what: 'resend'; readonly tasks: TaskSets; readonly after: number }
  | { readonly what: 'pause'; readonly now: boolean; readonly reason: string }
  | { readonly what: 'resume'; readonly overrides?: Overrides }
  | { readonly what: 'cancel' }
  /** `onFailure: stop` fired: what is not decided by then is given up. */
  | { readonly what: 'stop'; readonly cause: string }
  | {
      readonly what: 'adjust';
      readonly tolerate?: string;
      readonly maxRunning?: number | null;
      readonly finishBy?: string;
      readonly maxCost?: number;
    }
  | { readonly what: 'kill'; readonly tasks: TaskSets; readonly mode: 'requeue' | 'fail' }
  | { readonly what: 'skip'; readonly tasks: TaskSets; readonly reason: string }
  | { readonly what: 'unskip'; readonly tasks: TaskSets }
  | {
      readonly what: 'retry';
      readonly round: number;
      /** All tasks asked for; canaries among them go first. */
      readonly tasks: TaskSets;
      readonly canaries: TaskSets | null;
      readonly overrides: Overrides;
    }
  | { readonly what: 'retry-rest'; readonly round: number }
  | {
      readonly what: 'close';
      readonly state: 'succeeded' | 'failed' | 'cancelled';
      readonly reason: string | null;
      readonly round: number;
    };

export type EntryWhat = EntryKind['what'];
