import type { Findings } from '../../model/verify/findings.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';

export interface VerifyOptions {
  /** Read every byte of pieces and outputs, and look whether the inputs are still the same. */
  readonly deep?: boolean;
  readonly signal?: AbortSignal;
  /** Called now and then: parts, pieces and outputs looked at, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What the passes of one verification share. */
export interface Verifying {
  readonly store: ObjectStore;
  readonly view: JobView;
  readonly deep: boolean;
  readonly signal: AbortSignal | undefined;
  readonly findings: Findings;
  readonly warnings: Findings;
  /** Names of what isn't as it was published. */
  readonly altered: string[];
  /** Tells that so much more was looked at. */
  readonly looked: (count: number) => void;
}
