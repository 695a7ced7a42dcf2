/**
 * The kinds of error that batchctl knows, with the exit codes of the command line (docs/exit-codes.md). A kind, not a
 * string, travels inward from an adapter; the command line turns it into a message, a hint and an exit code.
 */
export const EXIT_CODES = {
  unexpected: 1,
  usage: 2,
  config: 3,
  jobFile: 3,
  credentials: 3,
  notFound: 4,
  jobFailed: 5,
  notFinished: 6,
  refused: 7,
  unavailable: 8,
  full: 8,
  newer: 8,
  proof: 9,
  changed: 9,
  corrupt: 9,
  late: 10,
  finding: 11,
  interrupted: 130,
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;

/** An error for the operator: what was expected and found, and the command that fixes it. */
export class BatchctlError extends Error {
  readonly kind: ErrorKind;
  /** What to type or change, or undefined where nothing would help. */
  readonly hint: string | undefined;
  /** Set when credentials have expired: the command that renews them. The work then continues. */
  readonly signIn: string | undefined;
  /** Set when a policy denies an action: `s3:PutObject on arn:aws:s3:::b/k`. */
  readonly denied: string | undefined;
  /** True if a service refused a request, and will refuse it again until a person changes something. */
  readonly isRefusal: boolean;
  /** Set when a confirmation is missing: the question to ask. */
  readonly question: string | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    options: {
      hint?: string;
      signIn?: string;
      denied?: string;
      isRefusal?: boolean;
      question?: string;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BatchctlError';
    this.kind = kind;
    this.hint = options.hint;
    this.signIn = options.signIn;
    this.denied = options.denied;
    this.isRefusal = options.isRefusal === true || options.denied !== undefined;
    this.question = options.question;
  }
}

/** The process's exit code for a thrown value; 1 for an error without a kind. */
export function exitCodeOf(error: unknown): number {
  return isBatchctlError(error) ? EXIT_CODES[error.kind] : EXIT_CODES.unexpected;
}

/** The kind of error, or the first of several, with which a process of batchctl ends by this code; null: by a signal. */
export function kindOfExitCode(code: number | null): ErrorKind {
  const kinds = Object.keys(EXIT_CODES) as ErrorKind[];
  return kinds.find((kind) => EXIT_CODES[kind] === code) ?? 'unexpected';
}

/** True when the error is of one of the kinds. */
export function isKind(error: unknown, ...kinds: readonly ErrorKind[]): error is BatchctlError {
  return isBatchctlError(error) && kinds.includes(error.kind);
}

/** True for a service's refusal, such as of a missing permission or a disabled key: repeating the request is useless. */
export const isRefusal = (error: unknown): error is BatchctlError => isBatchctlError(error) && error.isRefusal;

/** For `catch`: null for an object that is damaged or of a newer format; throws any other error. */
export function nullIfUnreadable(error: unknown): null {
  if (isKind(error, 'corrupt', 'newer')) return null;
  throw error;
}

/** For `catch`: null for a `BatchctlError`; throws any other error. */
export function nullIfBatchctlError(error: unknown): null {
  if (isBatchctlError(error)) return null;
  throw error;
}

/** By name and not by class: a lazily loaded chunk, or a test's loader, may hold a second copy of this module. */
export function isBatchctlError(error: unknown): error is BatchctlError {
  return error instanceof Error && error.name === 'BatchctlError' && 'kind' in error;
}

/** True for a Node.js system error with that code (`ENOENT`). */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** True when a disk, or a user's share of it, has no room left. */
export function isFull(error: unknown): boolean {
  return isKind(error, 'full') || hasCode(error, 'ENOSPC', 'EDQUOT');
}

/** The message of a thrown value, or the value as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
