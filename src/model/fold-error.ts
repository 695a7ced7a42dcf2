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

/** Files that a command left in the wrong place (`worker/left-files.ts`), of any name. */
const LEFT_BEHIND = /\bleft behind: [^;]+/g;

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
    .replace(LEFT_BEHIND, 'left behind: <path>')
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
