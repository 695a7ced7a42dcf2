/** One thing that `doctor` looks at. It may leave no trace, and is given up when it takes too long. */
export interface Check {
  /** A stable word: `linksWork`. */
  readonly check: string;
  /** Throws only what it did not expect: that is a failed check too. */
  run(signal: AbortSignal): Promise<Finding> | Finding;
}

export interface Finding {
  /** `fail`: jobs can't run, or aren't safe. `warn`: they run, for now. */
  readonly status: 'pass' | 'warn' | 'fail';
  /** What was found, in a sentence. */
  readonly message: string;
  /** The command, or the act, that mends it; null where nothing is wrong. */
  readonly mend: string | null;
}

export const pass = (message: string): Finding => ({ status: 'pass', message, mend: null });
export const warn = (message: string, mend: string): Finding => ({ status: 'warn', message, mend });
export const fail = (message: string, mend: string): Finding => ({ status: 'fail', message, mend });
