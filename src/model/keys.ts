import { PARTS_PER_SHARD } from './part.ts';

/** Every key of the store's layout (docs/layout.md). No other module composes one. */

const pad = (n: number, width: number): string => String(n).padStart(width, '0');

export const DATA_PREFIX = 'data/';
export const OPEN_PREFIX = 'open/';
export const JOBS_PREFIX = 'jobs/';
/** Marks of deliveries that are due. */
export const DUE_PREFIX = 'due/';

export const taskNumber = (n: number): string => pad(n, 9);
export const dataKey = (key: string): string => `${DATA_PREFIX}${key}`;
/** Inputs that a submission put for workers on other machines, below `data/`, named by their content. */
export const INPUTS_PREFIX = `${DATA_PREFIX}inputs/`;
export const inputKey = (sha256: string, name: string): string => `${INPUTS_PREFIX}${sha256}/${name}`;
export const CODE_PREFIX = 'code/';
export const codeKey = (sha256: string): string => `${CODE_PREFIX}${sha256}.tar.gz`;
export const runsPrefix = (runKey: string): string => `runs/${runKey}/`;
export const runClaimKey = (runKey: string, number: number): string => `${runsPrefix(runKey)}${pad(number, 4)}.json`;
/** The mark for delivering the outputs of the close at journal entry `after`. */
export const dueMark = (job: string, after: number): string => `${DUE_PREFIX}${job}.${after}`;
export const openMark = (job: string, round: number): string => `${OPEN_PREFIX}${job}.${round}`;
/** Put by a worker that may not read the job. */
export const deniedMark = (job: string): string => `${OPEN_PREFIX}${job}.denied`;

export const jobPrefix = (job: string): string => `${JOBS_PREFIX}${job}/`;
export const jobKey = (job: string): string => `${jobPrefix(job)}job.json`;
export const partsPrefix = (job: string): string => `${jobPrefix(job)}parts/`;
export const partShardKey = (job: string, shard: number): string => `${partsPrefix(job)}${pad(shard, 5)}.ndjson`;
/** The parts and pieces of an extension (ADR 101). What no journal entry names was given up. */
export const extentPrefix = (job: string, name: string): string => `${jobPrefix(job)}extents/${name}/`;
export const extentPartsPrefix = (job: string, name: string): string => `${extentPrefix(job, name)}parts/`;
export const extentShardKey = (job: string, name: string, shard: number): string =>
  `${extentPartsPrefix(job, name)}${pad(shard, 5)}.ndjson`;
export const extentPiecesPrefix = (job: string, name: string): string => `${extentPrefix(job, name)}pieces/`;
export const extentPieceKey = (job: string, name: string, n: number): string =>
  `${extentPiecesPrefix(job, name)}${taskNumber(n)}`;
export const piecesPrefix = (job: string): string => `${jobPrefix(job)}pieces/`;
export const pieceKey = (job: string, n: number): string => `${piecesPrefix(job)}${taskNumber(n)}`;
export const journalPrefix = (job: string): string => `${jobPrefix(job)}journal/`;
export const journalKey = (job: string, n: number): string => `${journalPrefix(job)}${pad(n, 6)}.json`;
/** Records that a job was pruned, and its steps' last counts. */
export const prunedKey = (job: string): string => `${jobPrefix(job)}pruned.json`;
export const proofsPrefix = (job: string): string => `${jobPrefix(job)}proofs/`;
export const proofKey = (job: string, n: number): string => `${proofsPrefix(job)}${pad(n, 4)}.json`;

export const stepPrefix = (job: string, step: string): string => `${jobPrefix(job)}steps/${step}/`;
export const openedKey = (job: string, step: string): string => `${stepPrefix(job, step)}opened.json`;
export const stepPartsPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}parts/`;
/** Parts that an `explode` in the previous step made. */
export const stepPartShardKey = (job: string, step: string, shard: number): string =>
  `${stepPartsPrefix(job, step)}${pad(shard, 5)}.ndjson`;
export const outPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}out/`;
export const outKey = (job: string, step: string, task: number): string => `${outPrefix(job, step)}${taskNumber(task)}`;
export const triesPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}tries/`;
export const roundTriesPrefix = (job: string, step: string, task: number, round: number): string =>
  `${triesPrefix(job, step)}${taskNumber(task)}.${round}.`;
export const tryKey = (job: string, step: string, task: number, round: number, attempt: string): string =>
  `${roundTriesPrefix(job, step, task, round)}${attempt}`;
/** Marks an attempt of an often delivered task as begun, until it has an outcome (law 8). */
export const begunKey = (job: string, step: string, task: number, round: number, attempt: string): string =>
  `${roundTriesPrefix(job, step, task, round)}begun-${attempt}`;
export const isBegunKey = (key: string): boolean => /\.begun-[a-z0-9]+$/.test(key);
/** Attempts that a spot interruption ended; written only if the step has a fallback group. */
export const interruptionsPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}interruptions/`;
export const roundInterruptionsPrefix = (job: string, step: string, task: number, round: number): string =>
  `${interruptionsPrefix(job, step)}${taskNumber(task)}.${round}.`;
export const interruptionKey = (job: string, step: string, task: number, round: number, attempt: string): string =>
  `${roundInterruptionsPrefix(job, step, task, round)}${attempt}`;
export const failedPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}failed/`;
export const failedKey = (job: string, step: string, task: number, round: number): string =>
  `${failedPrefix(job, step)}${taskNumber(task)}.${round}`;
export const logPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}log/`;
export const logKey = (job: string, step: string, task: number, attempt: string): string =>
  `${logPrefix(job, step)}${taskNumber(task)}.${attempt}`;
export const filesPrefix = (job: string, step: string): string => `${stepPrefix(job, step)}files/`;
export const stagedTaskPrefix = (job: string, step: string, task: number): string =>
  `${filesPrefix(job, step)}${taskNumber(task)}/`;
export const stagedPrefix = (job: string, step: string, task: number, attempt: string): string =>
  `${stagedTaskPrefix(job, step, task)}${attempt}/`;
/** Where an attempt stages a file of its output; '' is a single output. */
export const stagedKey = (job: string, step: string, task: number, attempt: string, name: string): string =>
  `${stagedPrefix(job, step, task, attempt)}${name === '' ? 'output' : `files/${name}`}`;

export const WORKERS_PREFIX = 'workers/';
export const workerPrefix = (worker: string): string => `${WORKERS_PREFIX}${worker}/`;
export const ordersPrefix = (worker: string): string => `${workerPrefix(worker)}orders/`;
export const orderKey = (worker: string, n: number): string => `${ordersPrefix(worker)}${pad(n, 4)}`;
export const workerLogKey = (worker: string): string => `${workerPrefix(worker)}log`;
export const bootLogKey = (worker: string): string => `${workerPrefix(worker)}boot.log`;
/** Marks of keepers (managers and `tick`); notification tries and their results; schedules, with their code. */
export const KEEPERS_PREFIX = 'keepers/';
export const NOTICES_PREFIX = 'notices/';
/** Notices that are given up. */
export const LOST_PREFIX = `${NOTICES_PREFIX}lost/`;
export const lostKey = (event: string, target: string): string => `${LOST_PREFIX}${event}.${target}`;
export const noticesPrefix = (event: string): string => `${NOTICES_PREFIX}${event}/`;
export const jobNoticesPrefix = (job: string): string => `${NOTICES_PREFIX}${job}.`;
export const noticeTryKey = (event: string, target: string, n: number): string =>
  `${noticesPrefix(event)}${target}.${pad(n, 3)}`;
export const noticeSentKey = (event: string, target: string): string => `${noticesPrefix(event)}${target}.sent`;
/** Marks of events to notify: a close by its entry's number, or a missed firing. */
export const NEWS_PREFIX = 'news/';
export const newsMark = (job: string, entry: number): string => `${NEWS_PREFIX}${job}.${entry}`;
export const firingNewsMark = (event: string): string => `${NEWS_PREFIX}${event}`;
export const SCHEDULES_PREFIX = 'schedules/';
export const keeperKey = (id: string): string => `${KEEPERS_PREFIX}${id}.json`;
export const schedulePrefix = (name: string): string => `${SCHEDULES_PREFIX}${name}/`;
export const scheduleKey = (name: string, n: number): string => `${schedulePrefix(name)}${pad(n, 4)}.json`;
export const GROUPS_PREFIX = 'groups/';
export const groupKey = (group: string): string => `${GROUPS_PREFIX}${group}.json`;
/** How instances of a group booted: a mark for each failed boot, and for what came after. */
export const bootsPrefix = (group: string): string => `${GROUPS_PREFIX}${group}/boots/`;
export const bootMark = (group: string, who: string, what: BootMark): string => `${bootsPrefix(group)}${who}.${what}`;
/** The durations of the group's latest boots: overwritten. */
export const bootTimesKey = (group: string): string => `${bootsPrefix(group)}times.json`;
/** `lifted`: a person, or a new release, cleared the record of failed boots. */
export type BootMark = 'failed' | 'booted' | 'lifted';
/** Workers' program bundles, the files that their boots need, and which bundle is current. */
export const RELEASES_PREFIX = 'releases/';
export const bundleKey = (sha256: string): string => `${RELEASES_PREFIX}${sha256}.tar.gz`;
export const bootFileKey = (kind: 'setup' | 'ca', sha256: string): string => `${RELEASES_PREFIX}${kind}-${sha256}`;
export const releaseKey = (n: number): string => `${RELEASES_PREFIX}${pad(n, 4)}.json`;

/** The manager's access tokens, by the SHA-256 of each; and the manager's own objects. */
export const TOKENS_PREFIX = 'tokens/';
export const tokenKey = (sha256: string): string => `${TOKENS_PREFIX}${sha256}.json`;
/** When the token of an id was last used. */
export const TOKEN_USES_PREFIX = `${TOKENS_PREFIX}used/`;
export const tokenUseKey = (id: string): string => `${TOKEN_USES_PREFIX}${id}.json`;
export const MANAGER_PREFIX = 'manager/';
export const CERTIFICATE_KEY = `${MANAGER_PREFIX}tls.json`;
/** True for keys that no job, worker or caller of the manager may read. */
export const isSecretKey = (key: string): boolean => key.startsWith(TOKENS_PREFIX) || key.startsWith(MANAGER_PREFIX);
/**
 * True for keys that decide nothing about jobs, workers or callers: raw data. Inputs named by their content are not, as
 * submissions rely on it.
 */
export const isRawDataKey = (key: string): boolean => key.startsWith(DATA_PREFIX) && !key.startsWith(INPUTS_PREFIX);

/** Overwritten by the worker that lists a large job, so that the others needn't. */
export const lookKey = (job: string): string => `jobs/${job}/steps/looked.json`;

/** The `store` ledger: jobs newest first, each job's sums (one object a writer) and attempts, workers. */
export const LEDGER_JOBS = 'ledger/jobs/';
export const LEDGER_WORKERS = 'ledger/workers/';
export const ledgerCreatedKey = (job: string): string => `ledger/created/${job}`;
/** A job's statements: later `createdAt`s (milliseconds) come first. */
export const ledgerJobPrefix = (job: string, createdAt: number): string =>
  `${LEDGER_JOBS}${pad(9_999_999_999_999 - createdAt, 13)}.${job}/`;
export const ledgerSumsPrefix = (job: string): string => `ledger/tasks/${job}/sums/`;
export const ledgerTotalsPrefix = (job: string): string => `${ledgerSumsPrefix(job)}t.`;
export const ledgerTotalsKey = (job: string, writer: string): string => `${ledgerTotalsPrefix(job)}${writer}.json`;
export const ledgerExactKey = (job: string, round: number, id: string): string =>
  `${ledgerSumsPrefix(job)}x.${pad(round, 6)}.${id}.json`;
export const ledgerPrunedKey = (job: string): string => `${ledgerSumsPrefix(job)}pruned.json`;
/** The counts that one of many workers made for all, and the claims of turns. */
export const ledgerSharedPrefix = (job: string): string => `ledger/tasks/${job}/shared/`;
export const LEDGER_SHARED_WORKERS = 'ledger/shared/workers/';
/** A reading that one worker shares with all, and the claim of a turn to read. */
export const sharedKey = (prefix: string): string => `${prefix}counts.json`;
export const sharedTurnKey = (prefix: string, turn: number): string => `${prefix}turn.${pad(turn, 9)}`;
export const ledgerAttemptsPrefix = (job: string): string => `ledger/tasks/${job}/attempts/`;
export const ledgerAttemptsKey = (job: string, writer: string, n: number): string =>
  `${ledgerAttemptsPrefix(job)}${writer}/${pad(n, 6)}.ndjson`;
export const ledgerWorkerKey = (worker: string, group: string, seenAt: number): string =>
  `${LEDGER_WORKERS}${worker}/${pad(seenAt, 13)}.${group}`;

/** A value that doesn't fit into a `simpledb` ledger's item. */
export const ledgerLargeKey = (key: string, id: string): string => `ledger/large/${key.slice('ledger/'.length)}.${id}`;
/** The job of a ledger key; null for data about all jobs together. */
export const jobOfLedgerKey = (key: string): string | null =>
  /^ledger\/(?:tasks|created)\/([^/]+)/.exec(key)?.[1] ?? null;
/** True for objects of attempts, and their prefix: many, large, and never changed. */
export const isLedgerBulk = (key: string): boolean => /^ledger\/tasks\/[^/]+\/attempts\//.test(key);

export const shardOf = (n: number): number => Math.floor(n / PARTS_PER_SHARD);

/** The number of shards for that number of parts. */
export const shardCount = (parts: number): number => Math.ceil(parts / PARTS_PER_SHARD);

interface TaskInRound {
  readonly task: number;
  readonly round: number;
}

/* The parsers of keys; each returns null for a foreign object. */

/** The task of an `out/` key. */
export const taskOfOut = (key: string): number | null => numberIn(/\/out\/(\d{9})$/, key);
/** The task and round of a `failed/` key. */
export const taskOfFailed = (key: string): TaskInRound | null => taskIn(/\/failed\/(\d{9})\.(\d+)$/, key);
/** The task and round of a `tries/` key; null also for the mark of an attempt that began. */
export const taskOfTry = (key: string): TaskInRound | null =>
  isBegunKey(key) ? null : taskIn(/\/tries\/(\d{9})\.(\d+)\.[^/]+$/, key);
/** The task and round of an `interruptions/` key. */
export const taskOfInterruption = (key: string): TaskInRound | null =>
  taskIn(/\/interruptions\/(\d{9})\.(\d+)\.[^/]+$/, key);
/** The number of a journal entry. */
export const entryOf = (key: string): number | null => numberIn(/^jobs\/[^/]+\/journal\/(\d{6,})\.json$/, key);

function numberIn(pattern: RegExp, key: string): number | null {
  const digits = pattern.exec(key)?.[1];
  return digits === undefined ? null : Number(digits);
}

function taskIn(pattern: RegExp, key: string): TaskInRound | null {
  const [, task, round] = pattern.exec(key) ?? [];
  return task === undefined || round === undefined ? null : { task: Number(task), round: Number(round) };
}

/** Job and round of an open mark; null for a foreign object. */
export function parseOpenMark(key: string): { job: string; round: number } | null {
  const match = /^open\/(.+)\.(\d+)$/.exec(key);
  return match?.[1] === undefined || match[2] === undefined ? null : { job: match[1], round: Number(match[2]) };
}

/** Job and close of a delivery's mark; null for a foreign object. */
export function parseDueMark(key: string): { job: string; after: number } | null {
  const match = /^due\/(.+)\.(\d+)$/.exec(key);
  return match?.[1] === undefined || match[2] === undefined ? null : { job: match[1], after: Number(match[2]) };
}

/** Job and close of a mark of news; null for a foreign object, and a firing's. */
export function parseNewsMark(key: string): { job: string; entry: number } | null {
  const match = /^news\/([^@/]+)\.(\d+)$/.exec(key);
  return match?.[1] === undefined || match[2] === undefined ? null : { job: match[1], entry: Number(match[2]) };
}

/** Event, receiver and try (null: it was sent) of a notice; null for a foreign object. */
export function parseNoticeKey(key: string): { event: string; target: string; number: number | null } | null {
  const match = /^notices\/([^/]+)\/([0-9a-f]{12})\.(\d{3}|sent)$/.exec(key);
  if (match?.[1] === undefined || match[2] === undefined) return null;
  return { event: match[1], target: match[2], number: match[3] === 'sent' ? null : Number(match[3]) };
}

/** The hash in a `code/` key; null for a foreign object. */
export const codeOf = (key: string): string | null => /^code\/([0-9a-f]{64})\.tar\.gz$/.exec(key)?.[1] ?? null;

/** The group of a size's key; null for a foreign object. */
export const groupOf = (key: string): string | null => /^groups\/([a-z][a-z0-9-]{0,39})\.json$/.exec(key)?.[1] ?? null;

/** The kind and the instance of a boot's mark; null for a foreign object. */
export function parseBootMark(key: string): { who: string; what: BootMark } | null {
  const match = /\/boots\/([^/]+)\.(failed|booted|lifted)$/.exec(key);
  return match?.[1] === undefined ? null : { who: match[1], what: match[2] as BootMark };
}

/** The number of a release; null for a foreign object. */
export const releaseOf = (key: string): number | null => numberIn(/^releases\/(\d{4,})\.json$/, key);

/** Whether a key below `releases/` is a release, a bundle, or a boot's file, so that it belongs to batchctl. */
export function isReleasesKey(key: string): boolean {
  return releaseOf(key) !== null || /^releases\/([0-9a-f]{64}\.tar\.gz|(setup|ca)-[0-9a-f]{64})$/.test(key);
}

/** The schedule of a journal entry's key; null for a foreign object. */
export const scheduleOf = (key: string): string | null =>
  /^schedules\/([a-z][a-z0-9-]{0,39})\/\d{4,}\.json$/.exec(key)?.[1] ?? null;

/** The keeper of a mark; null for a foreign object. */
export const keeperOf = (key: string): string | null => /^keepers\/([a-z0-9-]+)\.json$/.exec(key)?.[1] ?? null;

/** The hash of a token's key; null for a foreign object. */
export const tokenOf = (key: string): string | null => /^tokens\/([0-9a-f]{64})\.json$/.exec(key)?.[1] ?? null;

/** The run key of a claim; null for a foreign object. */
export const runKeyOfClaim = (key: string): string | null => /^runs\/([^/]+)\/\d{4,}\.json$/.exec(key)?.[1] ?? null;

/** Names of jobs, steps, groups and schedules. */
export const NAME_PATTERN = /^[a-z][a-z0-9-]{0,39}$/;

/** The name of a group as it was typed. Throws a RangeError for another text. */
export function parseGroup(text: string): string {
  if (NAME_PATTERN.test(text)) return text;
  throw new RangeError(`expected a name like default or gpu-large, found "${text}"`);
}

/** The id of a job: its name, the minute in UTC, and a random end. */
export const JOB_ID_PATTERN = /^[a-z][a-z0-9-]*-\d{8}-\d{4}-[a-z0-9]{5}$/;

export const RUN_KEY_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$/;
