import type { JobState } from '../job.ts';

/**
 * What `report` answers: the same for 10 tasks and for 1,000,000. All lists are bounded: series are binned, the rest names
 * the first, the worst or the largest. Instants are ISO-8601 UTC, durations seconds, sizes bytes, shares 0 to 1; null is
 * unknown, never 0. Counters are exact decimals as text.
 */
export interface Report {
  readonly format: 1;
  readonly job: string;
  readonly name: string;
  readonly runKey: string | null;
  readonly period: string | null;
  readonly state: JobState;
  /** A stable code: failures, stopped, expect, halt ...; null for none. */
  readonly reason: string | null;
  readonly round: number;
  /** Only of a rehearsal: the parts of its sample, and of the whole input. */
  readonly rehearsal?: { readonly parts: number; readonly of: number };
  readonly labels: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly createdBy: string;
  readonly host: string;
  /** batchctl's version that accepted it. */
  readonly version: string;
  readonly digest: string;
  readonly code: string | null;
  readonly createdAt: string;
  /** The first attempt's start; null while none began. */
  readonly startedAt: string | null;
  /** The last attempt's end. */
  readonly endedAt: string | null;
  readonly closedAt: string | null;
  /** From acceptance to the close, or to now while the job is open. */
  readonly seconds: number;
  /**
   * True when the counts are known to equal what the store says, and the ledger knows an attempt of each done task.
   * False of a ledger that lags or was lost; one that was rebuilt knows no waits (null), slots or interruptions.
   */
  readonly exact: boolean;
  /** The proof that stands for the job as it is now; null without one. */
  readonly proof: { readonly key: string; readonly when: string; readonly deep: boolean } | null;
  readonly inputs: { readonly count: number; readonly bytes: number; readonly records: number | null };
  readonly parts: number;
  readonly steps: readonly StepReport[];
  readonly totals: TotalsReport;
  readonly throughput: Throughput;
  readonly timeline: Timeline;
  readonly workers: readonly WorkerReport[];
  readonly causes: readonly CauseReport[];
  readonly slowest: readonly SlowTask[];
  readonly expectations: readonly {
    readonly equation: string;
    readonly ok: boolean | null;
    readonly left: string | null;
    readonly right: string | null;
  }[];
  /** What people decided: retries, skips, pauses, adjustments; newest last, at most the last 100. */
  readonly decisions: readonly {
    readonly when: string;
    readonly who: string;
    readonly what: string;
    readonly text: string;
  }[];
  /** Outputs published after a gather was opened without them: kept, never used; the first 100. */
  readonly late: readonly string[];
  /** US dollars; null where no price is known, as on one's own machine. */
  readonly cost: { readonly usd: number; readonly basis: string } | null;
}

export interface StepReport {
  readonly name: string;
  readonly group: string;
  readonly gather: boolean;
  readonly tasks: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  /** Failed attempts that were tried again: no failure for good. */
  readonly retried: number;
  /** Attempts given back unharmed, and those that vanished with their worker: no failure at all. */
  readonly interrupted: number;
  /** Of the winning attempts, seconds; null while none is done. */
  readonly duration: Distribution | null;
  /** Between sending (or becoming due) and starting, of first attempts. */
  readonly wait: Distribution | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly cpuSeconds: number | null;
  /** The largest of any winning attempt. */
  readonly peakMemory: number | null;
  readonly counters: Readonly<Record<string, string>>;
  /** Its share of the job's cost, US dollars; null where that isn't known, or nothing is done. */
  readonly cost: number | null;
}

/**
 * Quantiles (nearest rank; exact up to 10,000 values, within 1 % above) and a histogram whose bins grow with what they
 * hold, so that both a second and an hour are seen.
 */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Seconds summed. */
  readonly sum: number;
  /** Consecutive bins from `from` (inclusive) to `to` (exclusive) that are not all empty at the ends; at most 60. */
  readonly bins: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

export interface TotalsReport {
  readonly tasks: number;
  readonly done: number;
  readonly failed: number;
  readonly skipped: number;
  readonly attempts: number;
  readonly retried: number;
  readonly interrupted: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly cpuSeconds: number | null;
  /** Seconds in which attempts ran, summed; those that won apart from the rest. */
  readonly usefulSeconds: number;
  readonly lostSeconds: number;
  /** The most slots that were there at once, of workers that ran any of it; a later worker takes an earlier one's place. */
  readonly slots: number;
  /** Slots times the time they were there: from their worker's start to its last sign of life, while anything ran. */
  readonly slotSeconds: number;
  /** The share of slotSeconds in which attempts held the slots; null when nothing ran. */
  readonly utilisation: number | null;
  /** Tasks done a second, from the first start to the last end. */
  readonly rate: number | null;
}

/** Equal bins from the first start (or just before it) to the last end; at most 240, and fewer for few attempts. */
export interface Throughput {
  readonly from: string | null;
  /** Width of a bin, seconds. */
  readonly seconds: number;
  readonly bins: readonly {
    readonly done: number;
    readonly retried: number;
    readonly failed: number;
    readonly interrupted: number;
    /** Attempts under way, on average over the bin. */
    readonly running: number;
    /** Slots that were there, on average over the bin. */
    readonly slots: number;
  }[];
}

/**
 * Who ran what, when. Up to 64 rows (a slot of a worker each; a worker each, or a group of workers, when there are more),
 * the busiest first; a row has bars when it has few attempts, else the share of each bin in which it was busy.
 */
export interface Timeline {
  readonly from: string | null;
  /** Width of the whole, seconds. */
  readonly seconds: number;
  readonly rows: readonly TimelineRow[];
  /** Rows left out: 1 when there were more than 4,096 slots, for those beyond. */
  readonly hidden: number;
}

export interface TimelineRow {
  readonly label: string;
  readonly worker: string | null;
  readonly slots: number;
  /** Share of the row's slots that was busy, over the whole. */
  readonly busy: number;
  /** At most 2,000 over all rows; offsets in seconds from the timeline's start. */
  readonly bars: readonly {
    readonly start: number;
    readonly end: number;
    readonly task: string;
    readonly outcome: 'done' | 'failedAttempt' | 'failed' | 'interrupted' | 'running';
  }[];
  /** In place of bars: the busy share of 240 equal bins. */
  readonly shares: readonly number[] | null;
}

export interface WorkerReport {
  readonly worker: string;
  readonly host: string | null;
  readonly slots: number;
  readonly from: string;
  readonly to: string;
  readonly done: number;
  readonly failedAttempts: number;
  readonly interrupted: number;
  /** Seconds times the slots that its attempts held. */
  readonly busySeconds: number;
}

/** As `failures` groups them, over all attempts that failed: `forGood` are tasks that failed for good, as it stands, skipped ones apart. */
export interface CauseReport {
  readonly cause: string;
  readonly step: string;
  readonly reason: string;
  readonly exitCode: number | null;
  /** The folded error line. */
  readonly error: string;
  readonly attempts: number;
  readonly forGood: number;
  /** Those of them whose attempts failed on at least two workers: most likely bad input. */
  readonly badInput: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly example: { readonly task: string; readonly error: string | null; readonly log: string };
}

export interface SlowTask {
  readonly task: string;
  readonly seconds: number;
  /** Times the median of its step. */
  readonly times: number;
  readonly attempts: number;
  readonly worker: string;
  readonly bytesIn: number | null;
  readonly peakMemory: number | null;
  /** The winning attempt's log in the store: none if it wrote nothing. */
  readonly log: string;
}
