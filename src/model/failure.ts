export interface Failure {
  /** A stable word: exit, signal, timeout, stall, memory, missing, input, output, counters, changed, killed ... */
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

/** What programs say of a network or a service that was away: that happens on any worker, with any input. */
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

/** Characters beyond this length hardly distinguish two causes. */
const MAX_CAUSE_LENGTH = 240;

const MONTH = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';

const CLOCK = String.raw`\d{1,2}:\d\d:\d\d(?:[.,]\d+)?`;

const ZONE = String.raw`(?:\s?(?:Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b))?`;

/** Weekdays only match as three letters, so that another word before a month stays. */
const DAY = '(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?';

const TIMES = [
  String.raw`\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?${ZONE})?`,
  String.raw`\d{1,2}/${MONTH}/\d{4}(?::${CLOCK}${ZONE})?`,
  String.raw`${DAY}${MONTH} {1,2}\d{1,2},? (?:\d{4} )?${CLOCK}${ZONE}(?: \d{4}\b)?`,
  String.raw`${DAY}\d{1,2} ${MONTH} \d{4}(?: ${CLOCK}${ZONE})?`,
  `${CLOCK}${ZONE}`,
].join('|');

const TIME = new RegExp(String.raw`(?<![\w<])(?:${TIMES})(?!\w)`, 'g');

/** A quoted text with a slash or a backslash: the path may contain spaces. */
const QUOTED_PATH = /(["'`])(?:~|\.{1,2}|[A-Za-z]:)?[/\\][^"'`]*\1/g;

const URL_PATH = /\b([a-z][a-z0-9+.-]{1,15}:\/\/[^\s/"'<>]*)\/[^\s"'<>,;:)\]}]+/gi;

/** An absolute path, one that starts with `./`, `../` or `~/`, or a Windows path; not the slash between two words. */
const PATH = /(?<![\w/<.~-])(?:(?:~|\.{1,2})?\/|[A-Za-z]:[\\/]|\\\\)(?=[\w.@~+%{-])[^\s"'`:,;()[\]{}<>|]+/g;

/** A relative path without `./`: it ends with an extension, or has a digit among letters. */
const RELATIVE_PATH =
  /(?<![\w/<.@+-])(?!http\/)(?=[\w.@+/-]*[a-z])(?:[\w.@+-]+\/)+(?:[\w@+-]*\.[a-z]\w{0,7}|[\w.@+-]*\d[\w.@+-]*)(?!\w)/gi;

const DATA_FILE =
  /(?<![\w/<.@+-])[\w@+-][\w.@+-]*\.(?:csv|tsv|json|jsonl|ndjson|xml|txt|log|dat|bin|tmp|gz|zst|zip|tar|parquet|avro|orc|pdf|png|jpe?g|tiff?|gif|mp[34]|mov|mkv|wav)\b/gi;

const ADDRESS = /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g;

const UUID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi;

/** A job's id ends with five letters or digits, which may all be letters. */
const JOB_ID = /-\d{8}-\d{4}-[a-z2-7]{5}\b/g;

/** Mixed letters and digits: hexadecimal from 8 on, anything else from 10 on with at least two runs of digits. */
const HEX = /\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{8,})\b/gi;

const MIXED = /\b(?=[a-z]*\d+[a-z]+\d)[a-z0-9]{10,}\b/gi;

/** Numbers that name the problem stay: a status, an exit code, a signal. */
const CODE = String.raw`\b(?:http(?:\/\d(?:\.\d)?)?|status(?: code)?|errno|exit(?:ed with)?(?: code| status)?|code|signal)[ :=]{1,2}\d{1,3}(?![\w.,:]*\w)`;

const UNIT = String.raw`(?:(?:[num\u00b5]?s|min|[mhd]|[kmgt]?i?b)\b|%)`;

const NUMBER = String.raw`(?<!\w)[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+\b)?${UNIT}?|\d+(?:[.,:]\d+)*`;

const CODE_OR_NUMBER = new RegExp(`(${CODE})|${NUMBER}`, 'gi');

const LIST = /<n>(?:, ?<n>)+/g;

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals' colours begin with one
const COLOUR = /\u001b\[[0-9;?]*[A-Za-z]/g;

/**
 * Folds the differences between failures with the same cause: times, paths, addresses, ids and numbers become `<time>`,
 * `<path>`, `<address>` and `<n>`. `row 17 of /tmp/a: bad` and `row 9 of /tmp/b: bad` fold to the same text. Codes that
 * distinguish causes stay (`HTTP 503`, `exit code 3`, `errno 2`). At most 240 characters; folding again changes
 * nothing.
 */
export function foldError(line: string): string {
  let folded = foldOnce(line);
  // One fold may enable another: `/n` is a path only once the text before it is folded.
  for (let times = 0; times < 8; times += 1) {
    const more = foldOnce(folded);
    if (more === folded) break;
    folded = more;
  }
  return folded;
}

function foldOnce(line: string): string {
  return line
    .replace(COLOUR, '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(TIME, '<time>')
    .replace(ADDRESS, '<address>')
    .replace(URL_PATH, '$1/<path>')
    .replace(QUOTED_PATH, '$1<path>$1')
    .replace(PATH, '<path>')
    .replace(RELATIVE_PATH, '<path>')
    .replace(DATA_FILE, '<path>')
    .replace(UUID, '<n>')
    .replace(JOB_ID, '-<n>')
    .replace(HEX, '<n>')
    .replace(MIXED, '<n>')
    .replace(CODE_OR_NUMBER, (_, code?: string) => code ?? '<n>')
    .replace(LIST, '<n>')
    .slice(0, MAX_CAUSE_LENGTH)
    .trim();
}

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
