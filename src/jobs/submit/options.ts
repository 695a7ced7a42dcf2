import type { Rehearsal } from '../../model/rehearsal.ts';
import type { JobView } from '../../model/view.ts';
import type { CutParts } from './cut.ts';

/** Each point is passed right after what it names was written: crash tests stop the submission there. */
export type SubmitPoint = 'code' | 'inputs' | 'parts' | 'open' | 'job' | 'claim' | 'send' | 'sent';

/** Progress of a submission: bytes put and cut, tasks sent. `total`: null if unknown. */
export interface SubmitProgress {
  readonly phase: 'upload' | 'cut' | 'send';
  readonly done: number;
  readonly total: number | null;
}

export interface SubmitOptions {
  /**
   * What to do if the key has a job. `existing`: return it even if its content differs; `again`: run another; `extend`:
   * add what it lacks. Default `new`: return it if it is the same.
   */
  readonly mode?: 'new' | 'existing' | 'again' | 'extend';
  readonly notBefore?: string | null;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: SubmitProgress) => void) | undefined;
  readonly passed?: ((point: SubmitPoint) => void) | undefined;
  /** For a rehearsal: keeps a sample of the job's parts and returns it. */
  readonly sample?: (job: string, parts: CutParts) => Promise<SampledParts>;
}

export interface SampledParts {
  /** Number of remaining parts, numbered from 0. */
  readonly count: number;
  /** Records in these parts; null if the split didn't count them. */
  readonly records: number | null;
  readonly rehearsal: Rehearsal;
}

export interface SubmitResult {
  readonly view: JobView;
  readonly created: boolean;
  /** How many tasks of the first step were added to an existing job; absent: it was not extended. */
  readonly added?: number;
}
