import { nullIfUnreadable } from '../../errors.ts';
import type { PruneAnswer } from '../../model/answers/data.ts';
import {
  CODE_PREFIX,
  codeOf,
  jobKey,
  jobPrefix,
  journalKey,
  KEEPERS_PREFIX,
  NEWS_PREFIX,
  NOTICES_PREFIX,
  OPEN_PREFIX,
  parseNoticeKey,
  parseOpenMark,
  SCHEDULES_PREFIX,
  TOKEN_USES_PREFIX,
  TOKENS_PREFIX,
  tokenOf,
  tokenUseKey,
  WORKERS_PREFIX,
} from '../../model/keys.ts';
import { isExpired, tokenId } from '../../model/token.ts';
import type { ObjectEntry, ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import {
  ABANDONED_MS,
  addRemoved,
  discardUnlessCommitted,
  isDiscarded,
  NOTHING_REMOVED,
  type RemovalTotals,
  type RemoveOptions,
  removeListed,
  storeTime,
} from '../discard.ts';
import { readView } from '../journal.ts';
import { dropUnreached, unreachedMarks } from '../round-marks.ts';
import { readToken } from '../tokens.ts';

/** A worker not heard of for longer than this is dead. */
const HEARD_MS = 24 * 3_600_000;

/** The leftovers of jobs. */
export interface LeftoverChoice {
  /** Below `jobs/`, but never committed. */
  readonly uncommitted: readonly string[];
  /** Hashes of the code that jobs use; null while a job can't be read, as its code is unknown. */
  readonly code: ReadonlySet<string> | null;
}

/**
 * Removes uncommitted submissions, code that no job uses, leftovers of old workers, managers and notifications, and
 * tokens that expired long ago. Objects younger than a day are kept whatever `olderThan` (milliseconds) says, as they
 * may be in use.
 */
export async function pruneLeftovers(
  platform: Platform,
  choice: LeftoverChoice,
  olderThan: number,
  options: RemoveOptions,
): Promise<PruneAnswer['leftovers']> {
  const { store } = platform;
  const now = options.dryRun === true ? platform.clock.now() : await storeTime(platform);
  const before = now - Math.max(olderThan, ABANDONED_MS);
  return {
    submissions: await removeAbandoned(store, choice.uncommitted, now - ABANDONED_MS, options),
    // One at a time: an object that a submission puts again between check and removal would be lost.
    code: await removeListed(store, unusedCode(store, choice.code, now - ABANDONED_MS), { ...options, batch: 1 }),
    workers: addRemoved(
      await removeListed(store, goneWorkers(platform, before), options),
      platform.removeLeftovers?.(before, options.dryRun === true) ?? NOTHING_REMOVED,
    ),
    keepers: await removeListed(store, olderOf(store, KEEPERS_PREFIX, before), options),
    // Marks first: without its record, a mark would look like a notification that was never sent.
    notices: addRemoved(
      await removeListed(store, olderOf(store, NEWS_PREFIX, before), options),
      await removeListed(store, oldNotices(store, before), options),
    ),
    marks: addRemoved(
      await removeUnreachedMarks(platform, now, options),
      await removeListed(store, strayUses(store, before), options),
    ),
    tokens: await removeListed(store, expiredTokens(store, before), options),
  };
}

/** Marks of rounds that never started, because their author died. An unreadable job keeps its marks. */
async function removeUnreachedMarks(platform: Platform, now: number, options: RemoveOptions): Promise<RemovalTotals> {
  const { store } = platform;
  const jobs = new Set<string>();
  for await (const key of store.keys(OPEN_PREFIX)) {
    const mark = parseOpenMark(key);
    if (mark !== null && mark.round > 0) jobs.add(mark.job);
  }
  let removed = NOTHING_REMOVED;
  for (const job of jobs) {
    options.signal?.throwIfAborted();
    const view = await readView(store, job).catch(nullIfUnreadable);
    if (view === null) continue;
    const gone = options.dryRun === true ? await unreachedMarks(store, view, now) : await dropUnreached(platform, view);
    for (const { size } of gone) removed = addRemoved(removed, { objects: 1, bytes: size });
    options.onRemoved?.(gone.length);
  }
  return removed;
}

/** Its newest object tells whether a submitter is still splitting. */
async function removeAbandoned(
  store: ObjectStore,
  jobs: readonly string[],
  before: number,
  options: RemoveOptions,
): Promise<RemovalTotals> {
  let removed = NOTHING_REMOVED;
  for (const job of jobs) {
    options.signal?.throwIfAborted();
    // The record of the discard stays, and doesn't count as a leftover.
    const stays = (await isDiscarded(store, job)) ? jobKey(job) : null;
    const [own, mark] = [
      await sumObjects(store, jobPrefix(job), stays),
      await sumObjects(store, `${OPEN_PREFIX}${job}.`),
    ];
    if (own.objects + mark.objects === 0 || Math.max(own.newest, mark.newest) > before) continue;
    // A job with a journal was once committed; it is not decided here what happened to it.
    if ((await store.head(journalKey(job, 0))) !== null) continue;
    if (options.dryRun !== true && !(await discardUnlessCommitted(store, job))) continue;
    const all = addRemoved(own, mark);
    options.onRemoved?.(all.objects);
    removed = addRemoved(removed, all);
  }
  return removed;
}

async function sumObjects(
  store: ObjectStore,
  prefix: string,
  except: string | null = null,
): Promise<RemovalTotals & { readonly newest: number }> {
  let [objects, bytes, newest] = [0, 0, 0];
  for await (const { key, size, modified } of store.list(prefix)) {
    if (key === except) continue;
    objects += 1;
    bytes += size;
    newest = Math.max(newest, modified);
  }
  return { objects, bytes, newest };
}

/** A submission puts its code first, so code put long ago is not in use by one in progress. */
async function* unusedCode(
  store: ObjectStore,
  used: ReadonlySet<string> | null,
  before: number,
): AsyncGenerator<ObjectEntry> {
  if (used === null) return;
  const scheduled = await scheduledCode(store);
  for await (const entry of store.list(CODE_PREFIX)) {
    const hash = codeOf(entry.key);
    if (hash === null || used.has(hash) || scheduled.has(hash) || entry.modified > before) continue;
    // Check again: it may have been put again since it was listed.
    const now = await store.head(entry.key);
    if (now !== null && now.modified <= before) yield entry;
  }
}

/** Anything that looks like a hash in a schedule is kept. */
async function scheduledCode(store: ObjectStore): Promise<ReadonlySet<string>> {
  const hashes = new Set<string>();
  for await (const key of store.keys(SCHEDULES_PREFIX)) {
    const text = new TextDecoder().decode((await store.read(key)) ?? new Uint8Array());
    for (const [hash] of text.matchAll(/[0-9a-f]{64}/g)) hashes.add(hash);
  }
  return hashes;
}

/** Logs and orders of workers without new objects since `before`, and without a heartbeat for a day. */
async function* goneWorkers(platform: Platform, before: number): AsyncGenerator<ObjectEntry> {
  const since = platform.clock.now() - HEARD_MS;
  const alive = new Set((await (await platform.ledger()).workers({ since })).map(({ worker }) => worker));
  let held: ObjectEntry[] = [];
  let of = '';
  const isGone = (): boolean => !alive.has(of) && held.every(({ modified }) => modified <= before);
  for await (const entry of platform.store.list(WORKERS_PREFIX)) {
    const worker = entry.key.slice(WORKERS_PREFIX.length).split('/')[0] ?? '';
    if (worker !== of) {
      if (isGone()) yield* held;
      held = [];
      of = worker;
    }
    held.push(entry);
  }
  if (isGone()) yield* held;
}

/** Tokens that expired before `before`. An unreadable one is left to a person. */
async function* expiredTokens(store: ObjectStore, before: number): AsyncGenerator<ObjectEntry> {
  for await (const entry of store.list(TOKENS_PREFIX)) {
    const sha256 = tokenOf(entry.key);
    const token = sha256 === null ? null : await readToken(store, sha256).catch(nullIfUnreadable);
    if (token !== null && isExpired(token, before)) yield entry;
  }
}

/** Usage marks of tokens that a manager wrote just as the token was revoked. */
async function* strayUses(store: ObjectStore, before: number): AsyncGenerator<ObjectEntry> {
  const kept = new Set<string>();
  // Tokens come first in key order, as their hashes are hex.
  for await (const entry of store.list(TOKENS_PREFIX)) {
    const sha256 = tokenOf(entry.key);
    if (sha256 !== null) kept.add(tokenUseKey(tokenId(sha256)));
    else if (entry.key.startsWith(TOKEN_USES_PREFIX) && entry.modified <= before && !kept.has(entry.key)) yield entry;
  }
}

/** Records of open jobs are kept: otherwise watchers would notify again. */
async function* oldNotices(store: ObjectStore, before: number): AsyncGenerator<ObjectEntry> {
  const open = new Set<string>();
  for await (const key of store.keys(OPEN_PREFIX)) open.add(parseOpenMark(key)?.job ?? '');
  for await (const entry of olderOf(store, NOTICES_PREFIX, before)) {
    const job = parseNoticeKey(entry.key)?.event.split('.')[0] ?? '';
    if (!open.has(job)) yield entry;
  }
}

async function* olderOf(store: ObjectStore, prefix: string, before: number): AsyncGenerator<ObjectEntry> {
  for await (const entry of store.list(prefix)) if (entry.modified <= before) yield entry;
}
