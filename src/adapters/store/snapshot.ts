import { parseStored } from '../../lib/json.ts';
import { eachParallel } from '../../lib/parallel.ts';
import { ledgerPrunedKey, ledgerSumsPrefix, ledgerTotalsPrefix } from '../../model/keys.ts';
import type { StepCounts } from '../../model/ledger/records.ts';
import { compareExact } from '../../model/ledger/transitions.ts';
import type { LedgerObjects } from './attempt-objects.ts';
import { eachStateRun, eachTaskRun, STATE_CODES } from './task-states.ts';
import type { ExactTotals, PrunedCounts, Totals } from './totals.ts';

/** Objects read at once. */
const READS = 16;
/** Jobs whose sums are kept, so that only changes are read again. */
const JOBS_KEPT = 4;

/** All writers' sums of a job, from one listing. */
export interface Snapshot {
  readonly totals: readonly Totals[];
  /** The key and entity tag of each of these. */
  readonly tags: ReadonlyMap<Totals, string>;
  /** By step: exact totals of the latest round, among these the ones with the most tasks, and then the last ones. */
  readonly exact: ReadonlyMap<string, ExactStep>;
  /** The counts at the time of pruning; null unless the job was pruned. */
  readonly pruned: readonly StepCounts[] | null;
  readonly steps: readonly string[];
  step(name: string): StepView;
}

interface ExactStep {
  readonly round: number;
  readonly order: number;
  readonly counts: StepCounts;
}

type Sums = Totals | ExactTotals | PrunedCounts;
interface CachedJob {
  readonly objects: Map<string, { readonly etag: string; readonly value: Sums }>;
  readonly snapshots: Map<SnapshotScope, Snapshot>;
}

/** `sums`: leaves out writers whose objects exact totals replace, so it serves only for counts. */
type SnapshotScope = 'all' | 'sums';

/** Reads jobs' sums: one listing, and a read of each object that changed since the last one. */
export class Snapshots {
  readonly #store: LedgerObjects;
  readonly #jobs = new Map<string, CachedJob>();

  constructor(store: LedgerObjects) {
    this.#store = store;
  }

  async get(job: string, scope: SnapshotScope = 'all'): Promise<Snapshot> {
    return (await this.getIfFew(job, scope, Number.POSITIVE_INFINITY)) ?? snapshotOf(job, new Map());
  }

  /** Null if more than `most` writers' objects would have to be read. */
  async getIfFew(job: string, scope: SnapshotScope, most: number): Promise<Snapshot | null> {
    const cached = this.#cached(job);
    const listed = new Map<string, string>();
    for await (const { key, etag } of this.#store.list(ledgerSumsPrefix(job))) listed.set(key, etag);
    for (const key of [...cached.objects.keys()]) if (!listed.has(key)) this.#drop(cached, key);
    const changed = [...listed].filter(([key, etag]) => cached.objects.get(key)?.etag !== etag);
    const isTotals = ([key]: readonly [string, string]): boolean => key.startsWith(ledgerTotalsPrefix(job));
    await this.#read(
      cached,
      changed.filter((each) => !isTotals(each)),
    );
    const totals = changed.filter(isTotals);
    const replaced = scope === 'all' ? new Set<string>() : replacedTags(cached.objects);
    const isReplaced = (each: readonly [string, string]): boolean => replaced.has(each.join(' '));
    const own = totals.filter((each) => !isReplaced(each));
    if (own.length > most) return null;
    await this.#read(cached, own);
    // A newer round began: its changes can be computed only with the earlier totals.
    const rest = totals.filter(isReplaced);
    if (rest.length > 0 && hasNewerRounds(job, cached.objects)) await this.#read(cached, rest);
    const snapshot = cached.snapshots.get(scope) ?? snapshotOf(job, cached.objects);
    cached.snapshots.set(scope, snapshot);
    return snapshot;
  }

  forget(job: string): void {
    this.#jobs.delete(job);
  }

  async #read(cached: CachedJob, changed: readonly (readonly [string, string])[]): Promise<void> {
    await eachParallel(changed, READS, async ([key, etag]) => {
      const bytes = await this.#store.read(key);
      this.#drop(cached, key);
      if (bytes !== null) cached.objects.set(key, { etag, value: parseStored<Sums>(key, bytes) });
    });
  }

  #drop(cached: CachedJob, key: string): void {
    cached.objects.delete(key);
    cached.snapshots.clear();
  }

  #cached(job: string): CachedJob {
    const cached = this.#jobs.get(job) ?? { objects: new Map(), snapshots: new Map() };
    this.#jobs.delete(job);
    this.#jobs.set(job, cached);
    for (const [old] of this.#jobs) if (this.#jobs.size > JOBS_KEPT) this.#jobs.delete(old);
    return cached;
  }
}

/** Totals, as key and tag, that exact totals include. */
function replacedTags(objects: CachedJob['objects']): ReadonlySet<string> {
  return new Set([...objects.values()].flatMap(({ value }) => ('replaces' in value ? value.replaces : [])));
}

function hasNewerRounds(job: string, objects: CachedJob['objects']): boolean {
  const { steps, exact, step } = snapshotOf(job, objects);
  return steps.some((name) => step(name).round > (exact.get(name)?.round ?? -1));
}

/** Writers' totals whose steps and rounds these exact totals include, as key and tag. */
export function replacedTotals(snapshot: Snapshot, round: number, steps: ReadonlySet<string>): readonly string[] {
  const isCovered = (each: Totals): boolean =>
    Object.entries(each.steps).every(
      ([step, { rounds }]) => steps.has(step) && Object.keys(rounds).every((own) => Number(own) <= round),
    );
  return snapshot.totals.filter(isCovered).flatMap((each) => snapshot.tags.get(each) ?? []);
}

function snapshotOf(job: string, objects: CachedJob['objects']): Snapshot {
  const totals: Totals[] = [];
  const tags = new Map<Totals, string>();
  const exact = new Map<string, ExactStep>();
  let pruned: readonly StepCounts[] | null = null;
  // By key, not in reading order: the first among equals must be the same for every reader.
  for (const [key, { value, etag }] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key === ledgerPrunedKey(job)) pruned = (value as PrunedCounts).counts;
    else if ('writer' in value) {
      totals.push(value);
      tags.set(value, `${key} ${etag}`);
    } else if ('round' in value) {
      const { round, order = 0, steps } = value;
      for (const counts of steps) keepBest(exact, { round, order, counts });
    }
  }
  const steps = new Set([...exact.keys(), ...totals.flatMap((each) => Object.keys(each.steps))]);
  const views = new Map<string, StepView>();
  return {
    totals,
    tags,
    exact,
    pruned,
    steps: [...steps],
    step: (name) => {
      const view = views.get(name) ?? new StepView(totals, name, exact.get(name)?.round ?? -1);
      views.set(name, view);
      return view;
    },
  };
}

function keepBest(exact: Map<string, ExactStep>, found: ExactStep): void {
  const best = exact.get(found.counts.step);
  const later =
    best === undefined
      ? 1
      : found.round - best.round || compareExact(found.counts, best.counts) || found.order - best.order;
  if (later > 0) exact.set(found.counts.step, found);
}

const { waiting: WAITING, running: RUNNING, failed: FAILED, done: DONE } = STATE_CODES;

/** Bits about a task besides its state: whether several writers know it, and whether they agree. */
const SHARED = 1;
const TWO_ACTIVE = 2;
const RUNS = 4;
const OTHERS = 8;
const IS_DONE = 16;
const WAS_DONE = 32;

/**
 * A step's tasks as all writers together know them: a few bytes per task, from their sets of tasks alone. A task
 * is disputed if its writers' records can't be added; its attempts then decide. That is rare: a
 * worker retries what failed elsewhere (adds up), or takes over what a dead one ran (disputed).
 */
class StepView {
  /** One more than the last known task. */
  readonly end: number;
  /** The highest round in which anything was counted; -1 for none. */
  readonly round: number;
  readonly #flags: Uint8Array;
  readonly #rounds: Uint16Array;
  readonly #codes: Uint8Array;
  readonly #oldRounds: Uint16Array;
  readonly #oldCodes: Uint8Array;
  readonly #exactRound: number;

  /** `exactRound`: the round in which exact totals were taken, -1 for none. */
  constructor(totals: readonly Totals[], step: string, exactRound: number) {
    this.#exactRound = exactRound;
    this.end = endOf(totals, step);
    this.round = Math.max(-1, ...totals.flatMap((each) => Object.keys(each.steps[step]?.rounds ?? {}).map(Number)));
    this.#flags = new Uint8Array(this.end);
    this.#rounds = new Uint16Array(this.end);
    this.#codes = new Uint8Array(this.end);
    this.#oldRounds = new Uint16Array(exactRound < 0 ? 0 : this.end);
    this.#oldCodes = new Uint8Array(exactRound < 0 ? 0 : this.end);
    const lastWriters = new Uint16Array(this.end);
    const actives = new Uint16Array(this.end);
    for (const [index, { steps }] of totals.entries()) {
      const own = steps[step];
      if (own === undefined) continue;
      for (const [key, { tasks }] of Object.entries(own.rounds)) {
        eachStateRun(tasks, (code, from, to) => {
          for (let task = from; task < to; task += 1)
            this.#add(task, Number(key), code, index + 1, lastWriters, actives);
        });
      }
      eachTaskRun(own.others ?? '', (from, to) => {
        for (let task = from; task < to; task += 1) this.#setFlags(task, OTHERS);
      });
    }
  }

  /** The code of the task's state, 0 if unknown; a guess for a disputed task. */
  code(task: number): number {
    return this.#flag(task, IS_DONE) ? DONE : (this.#codes[task] ?? 0);
  }

  roundOf(task: number): number {
    return this.#rounds[task] ?? 0;
  }

  /** The task's state when exact totals were taken: the code of done or failed, or 0 for anything else. */
  codeBefore(task: number): number {
    if (this.#flag(task, WAS_DONE)) return DONE;
    return this.#oldCodes[task] === FAILED ? FAILED : 0;
  }

  /** True when only the task's attempts can tell its state. */
  isDisputed(task: number): boolean {
    const flags = this.#flags[task] ?? 0;
    return (flags & SHARED) !== 0 && (flags & (TWO_ACTIVE | RUNS | OTHERS)) !== 0;
  }

  /** Every disputed task, ascending. */
  disputed(): readonly number[] {
    const found: number[] = [];
    for (let task = 0; task < this.end; task += 1) if (this.isDisputed(task)) found.push(task);
    return found;
  }

  #add(
    task: number,
    round: number,
    code: number,
    writer: number,
    lastWriters: Uint16Array,
    actives: Uint16Array,
  ): void {
    if (lastWriters[task] !== 0 && lastWriters[task] !== writer) this.#setFlags(task, SHARED);
    lastWriters[task] = writer;
    if (code !== WAITING) {
      if (actives[task] !== 0 && actives[task] !== writer) this.#setFlags(task, TWO_ACTIVE);
      actives[task] = writer;
    }
    if (code === RUNNING) this.#setFlags(task, RUNS);
    if (code === DONE) this.#setFlags(task, round <= this.#exactRound ? IS_DONE | WAS_DONE : IS_DONE);
    raise(this.#rounds, this.#codes, task, round, code);
    if (round <= this.#exactRound) raise(this.#oldRounds, this.#oldCodes, task, round, code);
  }

  #setFlags(task: number, flags: number): void {
    this.#flags[task] = (this.#flags[task] ?? 0) | flags;
  }

  #flag(task: number, flag: number): boolean {
    return ((this.#flags[task] ?? 0) & flag) !== 0;
  }
}

/** The later round decides; within a round, the state that is further along. */
function raise(rounds: Uint16Array, codes: Uint8Array, task: number, round: number, code: number): void {
  const [known, at] = [codes[task] ?? 0, rounds[task] ?? 0];
  if (known !== 0 && (at > round || (at === round && known >= code))) return;
  rounds[task] = round;
  codes[task] = code;
}

function endOf(totals: readonly Totals[], step: string): number {
  let end = 0;
  for (const { steps } of totals) {
    for (const { tasks } of Object.values(steps[step]?.rounds ?? {}))
      eachStateRun(tasks, (_code, _from, to) => {
        end = Math.max(end, to);
      });
  }
  return end;
}
