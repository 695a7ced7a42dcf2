import { foldError } from './fold-error.ts';

export interface Failure {
  /** A stable word: exit, signal, timeout, stall, memory, missing, input, output, no-output, counters, changed, killed ... */
  readonly reason: string;
  readonly exitCode: number | null;
  /** The last line of stderr, or the worker's finding; at most 512 characters. */
  readonly error: string | null;
}

/** tries/: a failed attempt. failed/: a task that failed for good in a round. */
export interface FailureRecord extends Failure {
  readonly format: 1;
  readonly attempt: string;
  readonly number: number;
  readonly worker: string;
  /** ISO-8601 UTC. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** The folded cause, as text. */
  readonly cause: string;
  /** How many entries of the job's journal its worker had read when it began; absent in records of older versions. */
  readonly entries?: number;
  /**
   * True: probably bad input: the task used up its attempts, they failed on at least two workers, and nothing else
   * explains it (`mayBeBadInput`). Only in `failed/`; otherwise absent.
   */
  readonly badInput?: true;
  /** As in `OutputMeta`. */
  readonly wholeRecords?: true;
}

/** Reasons that explain a failure without the input's content: a person, the store or the machines. */
const NON_INPUT_REASONS: ReadonlySet<string> = new Set(['killed', 'changed', 'missing', 'kills-workers']);

/** Whether something that the task read is not what was accepted or published: a retry alone fails again. */
export const needsRestoring = (reason: string): boolean => reason === 'changed' || reason === 'proof';

/** Messages of programs about an unreachable network or service, which any worker and any input may meet. */
const NETWORK = new RegExp(
  [
    String.raw`\bE(?:SOCKET)?TIMEDOUT\b|\bECONN(?:RESET|REFUSED|ABORTED)\b|\bE(?:HOST|NET)UNREACH\b|\bEAI_AGAIN\b`,
    String.raw`\b(?:connect(?:ion|ing)?|socket|network|read|request|response|gateway|handshake|i\/o|host|server|upstream|proxy|https?|tls|ssl|dns|operation)\b.{0,40}\btime[ds]?[ -]?out\b`,
    String.raw`\btime[ds]?[ -]?out\b.{0,40}\b(?:connect(?:ion|ing)?|socket|network|host|server|upstream|https?:)`,
    String.raw`\bconnection (?:was )?(?:refused|reset|aborted)\b|\bnetwork is (?:down|unreachable)\b|\bno route to host\b`,
    String.raw`\btemporary failure in name resolution\b|\bcontext deadline exceeded\b`,
    String.raw`\b50[234]\b.{0,4}(?:bad gateway|service (?:temporarily )?unavailable|gateway time-?out)`,
  ].join('|'),
  'i',
);

/**
 * True if a failure may be due to its task's input: it has no other explanation, and the program's last line mentions
 * no network or service that was away.
 */
export const mayBeBadInput = ({ reason, error }: Pick<Failure, 'reason' | 'error'>): boolean =>
  !NON_INPUT_REASONS.has(reason) && (error === null || !NETWORK.test(error));

/** The common part of failures: step, exit code and the folded last error line. */
export interface CauseKey {
  readonly step: string;
  readonly exitCode: number | null;
  readonly reason: string;
  readonly error: string | null;
}

/** The cause as one line of text, equal for failures with the same cause. */
export function causeText(cause: CauseKey): string {
  const error = cause.error === null ? '' : foldError(cause.error);
  return `${cause.step} ${cause.reason} ${cause.exitCode ?? '-'} ${error}`;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * Six base32 characters for a cause, the same in each job, so that it is recognized next month. Among a thousand
 * causes, two share an id once in two thousand jobs.
 */
export function causeId(cause: CauseKey): string {
  const hash = hash32(causeText(cause));
  return Array.from({ length: 6 }, (_, i) => BASE32[(hash >>> (27 - 5 * i)) & 31] ?? '').join('');
}

/** FNV-1a over the text's UTF-16 bytes, and a final mix so that the upper bits depend on every character. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * Seconds before the next try: exponential from one second to five minutes, with full jitter (any time up to the bound,
 * so that concurrent failures don't retry together).
 */
export function retryDelay(failedAttempts: number, random: number): number {
  const bound = Math.min(300, 2 ** Math.min(failedAttempts - 1, 9));
  return Math.round(random * bound * 10) / 10;
}
