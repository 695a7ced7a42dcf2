import type { JobState } from '../job.ts';

/**
 * The answer of `report`, of the same form for 10 tasks and for 1,000,000. All lists are bounded: series are binned,
 * other lists name the first, the worst or the largest. Instants are ISO-8601 UTC, durations seconds, sizes bytes,
 * shares 0 to 1; null is unknown, never 0. Counters are exact decimals as text.
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
  /** Only for a rehearsal: the parts of its sample, and of the whole input. */
  readonly rehearsal?: { readonly parts: number; readonly of: number };
  readonly labels: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly createdBy: string;
  readonly host: string;
  /** The version of batchctl that accepted it. */
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
   * True if the counts are known to equal the store's, and the ledger knows an attempt of each done task. False for a
   * ledger that lags or was lost; a rebuilt one has no waits (null), slots or interruptions.
   */
  readonly exact: boolean;
  /** The proof of the job's present state; null without one. */
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
  /** Decisions by people: retries, skips, pauses, adjustments; newest last, at most the last 100. */
  readonly decisions: readonly {
    readonly when: string;
    readonly who: string;
    readonly what: string;
    readonly text: string;
  }[];
  /** Outputs published after a gather was opened without them: kept, never used; the first 100. */
  readonly late: readonly string[];
  /** US dollars; null if no price is known, as on one's own machine. */
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
  /** Failed attempts that were retried: not failures for good. */
  readonly retried: number;
  /** Attempts that were returned, and those that vanished with their worker: not failures at all. */
  readonly interrupted: number;
  /** Of the winning attempts, seconds; null while none is done. */
  readonly duration: Distribution | null;
  /** Between sending (or becoming due) and starting, for first attempts. */
  readonly wait: Distribution | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly cpuSeconds: number | null;
  /** The largest of any winning attempt. */
  readonly peakMemory: number | null;
  readonly counters: Readonly<Record<string, string>>;
  /** Its share of the job's cost, US dollars; null if unknown, or nothing is done. */
  readonly cost: number | null;
}

/**
 * Quantiles (nearest rank; exact up to 10,000 values, at most 1 % too high beyond) and a histogram whose bins grow with
 * their values, so that both a second and an hour are visible.
 */
export interface Distribution {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  /** Sum in seconds. */
  readonly sum: number;
  /** Consecutive bins from `from` (inclusive) to `to` (exclusive), without empty ones at the ends; at most 60. */
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
  /** Sum of the seconds in which attempts ran; winning attempts separately. */
  readonly usefulSeconds: number;
  readonly lostSeconds: number;
  /** The maximum number of slots at once, of workers that ran any of it; a later worker may replace an earlier one. */
  readonly slots: number;
  /** Slots times the time that they existed: from their worker's start to its last heartbeat, while anything ran. */
  readonly slotSeconds: number;
  /** The share of slotSeconds in which attempts held the slots; null if nothing ran. */
  readonly utilisation: number | null;
  /** Tasks done per second, from the first start to the last end. */
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
    /** Running attempts, on average over the bin. */
    readonly running: number;
    /** Existing slots, on average over the bin. */
    readonly slots: number;
  }[];
}

/**
 * Which worker ran what, and when. Up to 64 rows (one per slot; with more, one per worker or group of workers), the
 * busiest first. A row with few attempts has bars; any other has the busy share of each bin.
 */
export interface Timeline {
  readonly from: string | null;
  /** Width of the whole, seconds. */
  readonly seconds: number;
  readonly rows: readonly TimelineRow[];
  /** Omitted rows; if there were more than 4,096 slots, 1 for those beyond. */
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
  /** Instead of bars: the busy share of 240 equal bins. */
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

/**
 * Grouped as in `failures`, over all failed attempts: `forGood` counts tasks that have failed for good by now, without
 * skipped ones.
 */
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
  /** As a multiple of its step's median. */
  readonly times: number;
  readonly attempts: number;
  readonly worker: string;
  readonly bytesIn: number | null;
  readonly peakMemory: number | null;
  /** The key of the winning attempt's log: there is none if it wrote nothing. */
  readonly log: string;
}
