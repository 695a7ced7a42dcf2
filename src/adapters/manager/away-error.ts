import { BatchctlError } from '../../errors.ts';

/** A manager that can't be reached, or that broke off: kind `unavailable`. */
export class AwayError extends BatchctlError {
  /** False: it provably never began with what was asked. */
  readonly begun: boolean;
  /** Seconds after which it wants to be asked again; null where it said nothing. */
  readonly after: number | null;

  constructor(
    message: string,
    { begun, after = null, ...options }: { begun: boolean; after?: number | null; hint?: string; cause?: unknown },
  ) {
    super('unavailable', message, options);
    this.begun = begun;
    this.after = after;
  }
}

/** By its fields and not by class, as errors are known everywhere. */
export const isAway = (error: unknown): error is AwayError =>
  error instanceof Error && 'begun' in error && 'kind' in error && error.kind === 'unavailable';
