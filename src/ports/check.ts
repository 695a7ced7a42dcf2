/** One check of `doctor`. It must leave no trace, and is abandoned when it takes too long. */
export interface Check {
  /** Stable identifier: `linksWork`. */
  readonly check: string;
  /** Any unexpected error also counts as a failed check. */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}

export interface Finding {
  /** `fail`: jobs can't run, or aren't safe. `warn`: they run, for now. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** What was found, as a sentence. */
  readonly message: string;
  /** The command or step that fixes it; null if nothing is wrong. */
  readonly mend: string | null;
}

export const pass = (message: string): Finding => ({ status: 'pass', message, mend: null });
export const warn = (message: string, fix: string): Finding => ({ status: 'warn', message, mend: fix });
export const fail = (message: string, fix: string): Finding => ({ status: 'fail', message, mend: fix });
