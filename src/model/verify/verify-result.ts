import type { JobState } from '../job.ts';
import type { Evidence } from './evidence.ts';
import type { Finding } from './findings.ts';

/** What `verify` answers: stable, and the body of a proof. Lists of tasks name the first thousand; counts are whole. */
export interface VerifyResult {
  readonly format: 1;
  readonly job: string;
  readonly runKey: string | null;
  readonly state: JobState;
  readonly round: number;
  /** The number of the last journal entry that was heeded; -1 for an empty journal. */
  readonly entry: number;
  /** Of the job as accepted: its spec, its code and its inputs. */
  readonly digest: string;
  /** `unfinished`: the job isn't closed, so there is nothing to prove yet. */
  readonly verdict: 'proven' | 'failed' | 'unfinished';
  /** True when every byte was read. */
  readonly deep: boolean;
  readonly checked: {
    readonly parts: number;
    readonly inputs: number;
    /** Of the inputs, as the parts hold them (decompressed). */
    readonly bytes: number;
    readonly outputs: number;
  };
  /** Only of a rehearsal: the parts of its sample, and of the whole input, which is not claimed to be covered. */
  readonly rehearsal?: { readonly parts: number; readonly of: number };
  readonly steps: readonly StepProof[];
  /** How many chains failed for good, or were given up, and how many may. */
  readonly chains: { readonly failed: number; readonly tolerated: number };
  /** Tasks that failed for good; `step/n`. */
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  /** Who went without which tasks, and why. */
  readonly skips: readonly SkipProof[];
  readonly missing: readonly string[];
  /** Outputs published after a gather was opened without them: kept, never used. */
  readonly late: readonly string[];
  /** Outputs whose object isn't what was published. */
  readonly altered: readonly string[];
  readonly expectations: readonly ExpectationProof[];
  /** What the proof rests on; null of a job that isn't closed. */
  readonly evidence: Evidence | null;
  readonly problems: readonly Finding[];
  /** What doesn't break the proof, and a person may want to know. */
  readonly warnings: readonly Finding[];
}

export interface StepProof {
  readonly name: string;
  /** How many tasks the step can have. */
  readonly tasks: number;
  readonly published: number;
  readonly failed: number;
  readonly skipped: number;
  readonly missing: number;
}

export interface SkipProof {
  readonly step: string;
  /** A set: `0-4,17`. */
  readonly tasks: string;
  readonly who: string;
  readonly when: string;
  readonly reason: string;
}

export interface ExpectationProof {
  readonly equation: string;
  readonly ok: boolean;
  /** Exact decimals; null where a value is missing. */
  readonly left: string | null;
  readonly right: string | null;
}
