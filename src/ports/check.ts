import type { Finding } from '../model/finding.ts';

/** One check of `doctor`. It must leave no trace, and is abandoned when it takes too long. */
export interface Check {
  /** Stable identifier: `linksWork`. */
  readonly code: string;
  /** Any unexpected error also counts as a failed check. */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}
