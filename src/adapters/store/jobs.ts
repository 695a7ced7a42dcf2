import { parseStored } from '../../lib/json.ts';
import { mapAhead } from '../../lib/parallel.ts';
import type { JobState } from '../../model/job-state.ts';
import { LEDGER_JOBS, ledgerCreatedKey, ledgerJobPrefix } from '../../model/keys.ts';
import type { LedgerJob } from '../../model/ledger/records.ts';
import { stageOf, supersedes } from '../../model/ledger/transitions.ts';
import type { JobFilter } from '../../ports/ledger.ts';
import type { LedgerObjects } from './attempt-objects.ts';

/** Jobs read at once. */
const READS = 16;
const STATEMENT = /^(\d{6})\.(\d)\.(\d{15})\.(\d{15})\.([a-z]+)$/;
const PRUNED = 'pruned';

/**
 * The statements about a job. Each is an object that is never changed, and its key contains its progress, so that a
 * late writer can't undo a close. A listing begins with the newest job.
 */
interface Statements {
  readonly directory: string;
  readonly job: string;
  /** Last segments of the keys, ascending: the last one counts. */
  readonly names: readonly string[];
  readonly pruned: boolean;
}

/** Writes a statement about a job, unless a known one supersedes it, and deletes those that it supersedes. */
export async function writeJob(store: LedgerObjects, job: LedgerJob, now: number): Promise<void> {
  const known = await statementsOf(store, job.job);
  const latest = known === null ? null : await readStatement(store, known);
  if (latest !== null) {
    if (!supersedes(latest, job)) return;
    if (JSON.stringify(withoutPruned(latest)) === JSON.stringify(withoutPruned(job))) return;
  }
  const directory = known?.directory ?? (await create(store, job));
  const stamp = Math.max(now, Number(STATEMENT.exec(known?.names.at(-1) ?? '')?.[4] ?? -1) + 1);
  const name = [pad(job.round, 6), stageOf(job.state), pad(closed(job), 15), pad(stamp, 15), job.state].join('.');
  await store.put(`${directory}${name}`, JSON.stringify({ format: 1, ...withoutPruned(job) }));
  await store.delete((known?.names ?? []).filter((old) => old < name).map((old) => `${directory}${old}`));
}

export async function readJob(store: LedgerObjects, id: string): Promise<LedgerJob | null> {
  const known = await statementsOf(store, id);
  return known === null ? null : await readStatement(store, known);
}

/** Newest first. States, times and prefixes come from the keys. Only matching jobs are read, at most `limit`. */
export async function readJobs(store: LedgerObjects, filter: JobFilter): Promise<readonly LedgerJob[]> {
  const { limit = Number.POSITIVE_INFINITY } = filter;
  const found: LedgerJob[] = [];
  if (limit < 1) return found;
  for await (const job of mapAhead(listStatements(store, filter), Math.min(READS, limit), (each) =>
    readStatement(store, each),
  )) {
    if (job === null || !matches(job, filter)) continue;
    found.push(job);
    if (found.length >= limit) break;
  }
  return found;
}

/** Marks a job as pruned, for good; does nothing for a job that was never recorded. */
export async function markPruned(store: LedgerObjects, id: string): Promise<void> {
  const known = await statementsOf(store, id);
  if (known !== null) await store.put(`${known.directory}${PRUNED}`, '', { ifAbsent: true });
}

/** The job's directory. The first writer decides its creation time. */
async function create(store: LedgerObjects, { job, createdAt }: LedgerJob): Promise<string> {
  const key = ledgerCreatedKey(job);
  await store.put(key, JSON.stringify({ format: 1, createdAt }), { ifAbsent: true });
  return (await directoryOf(store, job)) ?? ledgerJobPrefix(job, createdAt);
}

async function directoryOf(store: LedgerObjects, job: string): Promise<string | null> {
  const key = ledgerCreatedKey(job);
  const bytes = await store.read(key);
  if (bytes === null) return null;
  return ledgerJobPrefix(job, parseStored<{ format: number; createdAt: number }>(key, bytes).createdAt);
}

async function statementsOf(store: LedgerObjects, job: string): Promise<Statements | null> {
  const directory = await directoryOf(store, job);
  if (directory === null) return null;
  for await (const known of groupStatements(store.keys(directory))) return known;
  return null;
}

async function* listStatements(store: LedgerObjects, filter: JobFilter): AsyncGenerator<Statements> {
  const { states, prefix, since, after } = filter;
  const last = after === undefined ? null : await directoryOf(store, after);
  if (after !== undefined && last === null) return;
  // Later jobs come first, so all jobs older than `since` come after this key.
  const to = since === undefined ? undefined : ledgerJobPrefix('', since - 1).replace(/\.\/$/, '');
  // '0' is the character after '/': it skips the statements about the last job.
  const from = last?.replace(/\/$/, '0');
  const range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  for await (const known of groupStatements(store.keys(LEDGER_JOBS, range))) {
    const state = STATEMENT.exec(known.names.at(-1) ?? '')?.[5];
    if (states !== undefined && !states.includes(state as JobState)) continue;
    if (prefix !== undefined && !known.job.startsWith(prefix)) continue;
    yield known;
  }
}

async function* groupStatements(keys: AsyncIterable<string>): AsyncGenerator<Statements> {
  let directory = '';
  let names: string[] = [];
  let pruned = false;
  const end = (): Statements => ({ directory, names, pruned, job: directory.slice(LEDGER_JOBS.length + 14, -1) });
  for await (const key of keys) {
    const at = key.lastIndexOf('/') + 1;
    if (key.slice(0, at) !== directory) {
      if (names.length > 0) yield end();
      directory = key.slice(0, at);
      names = [];
      pruned = false;
    }
    if (STATEMENT.test(key.slice(at))) names.push(key.slice(at));
    else if (key.slice(at) === PRUNED) pruned = true;
  }
  if (names.length > 0) yield end();
}

/** The current statement; if it is superseded and deleted in the meantime, its successor. */
async function readStatement(store: LedgerObjects, known: Statements): Promise<LedgerJob | null> {
  for (let at: Statements | null = known, tries = 0; at !== null && tries < 5; tries += 1) {
    const key = `${at.directory}${at.names.at(-1)}`;
    const bytes = await store.read(key);
    if (bytes !== null) {
      const { format, ...job } = parseStored<LedgerJob & { format: number }>(key, bytes);
      return { ...job, ...(at.pruned && { pruned: true }) };
    }
    at = await statementsOf(store, known.job);
  }
  return null;
}

function matches(job: LedgerJob, { name, createdBy, labels }: JobFilter): boolean {
  if (name !== undefined && job.name !== name) return false;
  if (createdBy !== undefined && job.createdBy !== createdBy) return false;
  return Object.entries(labels ?? {}).every(([label, value]) => job.labels[label] === value);
}

/** The fields that a statement keeps: all but the mark that only `forget` sets. */
function withoutPruned(job: LedgerJob): LedgerJob {
  const { job: id, name, runKey, state, reason, round, createdAt, closedAt, createdBy, labels, steps } = job;
  return { job: id, name, runKey, state, reason, round, createdAt, closedAt, createdBy, labels, steps };
}

function closed(job: LedgerJob): number {
  return stageOf(job.state) === 2 ? (job.closedAt ?? 0) : 0;
}

function pad(n: number, width: number): string {
  return String(n).padStart(width, '0');
}
