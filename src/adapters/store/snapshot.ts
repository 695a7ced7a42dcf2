import { eachParallel } from '../../lib/each-parallel.ts';
import { parseStored } from '../../lib/json.ts';
import { ledgerPrunedKey, ledgerSumsPrefix, ledgerTotalsPrefix } from '../../model/keys.ts';
import { compareExact } from '../../model/ledger/exact-order.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { LedgerObjects } from './ledger-objects.ts';
import { StepView } from './step-view.ts';
import type { ExactTotals, PrunedCounts, Totals } from './totals.ts';

/** Objects read at once. */
const READS = 16;
/** Jobs whose sums are kept, so that only what changed is read again. */
const JOBS_KEPT = 4;

/** All writers' sums of a job, as one listing found them. */
export interface Snapshot {
  readonly totals: readonly Totals[];
  /** Of each of these, its key and tag. */
  readonly tags: ReadonlyMap<Totals, string>;
  /** By step: those taken in the latest round, and of these the ones that know of the most tasks. */
  readonly exact: ReadonlyMap<string, { readonly round: number; readonly counts: StepCounts }>;
  /** What the counts were when the job was pruned; null unless it was. */
  readonly pruned: readonly StepCounts[] | null;
  /** Every step that something is known of. */
  readonly steps: readonly string[];
  step(name: string): StepView;
}

type Sums = Totals | ExactTotals | PrunedCounts;
interface Kept {
  readonly objects: Map<string, { readonly etag: string; readonly value: Sums }>;
  readonly snapshots: Map<Want, Snapshot>;
}

/** `sums`: writers whose objects exact totals replace are left out, so only counts can be taken of it. */
type Want = 'all' | 'sums';

/** Reads jobs' sums: one listing, and a read of each object that changed since the last one. */
export class Snapshots {
  readonly #store: LedgerObjects;
  readonly #jobs = new Map<string, Kept>();

  constructor(store: LedgerObjects) {
    this.#store = store;
  }

  async of(job: string, want: Want = 'all'): Promise<Snapshot> {
    return (await this.ofFew(job, want, Number.POSITIVE_INFINITY)) ?? snapshotOf(job, new Map());
  }

  /** Null where more than `most` writers' objects would have to be read. */
  async ofFew(job: string, want: Want, most: number): Promise<Snapshot | null> {
    const kept = this.#kept(job);
    const listed = new Map<string, string>();
    for await (const { key, etag } of this.#store.list(ledgerSumsPrefix(job))) listed.set(key, etag);
    for (const key of [...kept.objects.keys()]) if (!listed.has(key)) this.#drop(kept, key);
    const changed = [...listed].filter(([key, etag]) => kept.objects.get(key)?.etag !== etag);
    const isTotals = ([key]: readonly [string, string]): boolean => key.startsWith(ledgerTotalsPrefix(job));
    await this.#read(
      kept,
      changed.filter((each) => !isTotals(each)),
    );
    const totals = changed.filter(isTotals);
    const replaced = want === 'all' ? new Set<string>() : replacedBy(kept.objects);
    const isReplaced = (each: readonly [string, string]): boolean => replaced.has(each.join(' '));
    const own = totals.filter((each) => !isReplaced(each));
    if (own.length > most) return null;
    await this.#read(kept, own);
    // A newer round began: what it changes can be told only beside what was there before.
    const rest = totals.filter(isReplaced);
    if (rest.length > 0 && hasNewerRounds(job, kept.objects)) await this.#read(kept, rest);
    const snapshot = kept.snapshots.get(want) ?? snapshotOf(job, kept.objects);
    kept.snapshots.set(want, snapshot);
    return snapshot;
  }

  forget(job: string): void {
    this.#jobs.delete(job);
  }

  async #read(kept: Kept, changed: readonly (readonly [string, string])[]): Promise<void> {
    await eachParallel(changed, READS, async ([key, etag]) => {
      const bytes = await this.#store.read(key);
      this.#drop(kept, key);
      if (bytes !== null) kept.objects.set(key, { etag, value: parseStored<Sums>(key, bytes) });
    });
  }

  #drop(kept: Kept, key: string): void {
    kept.objects.delete(key);
    kept.snapshots.clear();
  }

  #kept(job: string): Kept {
    const kept = this.#jobs.get(job) ?? { objects: new Map(), snapshots: new Map() };
    this.#jobs.delete(job);
    this.#jobs.set(job, kept);
    for (const [old] of this.#jobs) if (this.#jobs.size > JOBS_KEPT) this.#jobs.delete(old);
    return kept;
  }
}

/** Totals, as key and tag, that exact totals took account of. */
function replacedBy(objects: Kept['objects']): ReadonlySet<string> {
  return new Set([...objects.values()].flatMap(({ value }) => ('replaces' in value ? value.replaces : [])));
}

function hasNewerRounds(job: string, objects: Kept['objects']): boolean {
  const { steps, exact, step } = snapshotOf(job, objects);
  return steps.some((name) => step(name).round > (exact.get(name)?.round ?? -1));
}

/** Writers' totals whose steps and rounds these exact totals have in them, as key and tag. */
export function replacedTotals(snapshot: Snapshot, round: number, steps: ReadonlySet<string>): readonly string[] {
  const isCovered = (each: Totals): boolean =>
    Object.entries(each.steps).every(
      ([step, { rounds }]) => steps.has(step) && Object.keys(rounds).every((own) => Number(own) <= round),
    );
  return snapshot.totals.filter(isCovered).flatMap((each) => snapshot.tags.get(each) ?? []);
}

function snapshotOf(job: string, objects: Kept['objects']): Snapshot {
  const totals: Totals[] = [];
  const tags = new Map<Totals, string>();
  const exact = new Map<string, { readonly round: number; readonly counts: StepCounts }>();
  let pruned: readonly StepCounts[] | null = null;
  // By key, not in the order of reading: who comes first among equals must be the same for every reader.
  for (const [key, { value, etag }] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key === ledgerPrunedKey(job)) pruned = (value as PrunedCounts).counts;
    else if ('writer' in value) {
      totals.push(value);
      tags.set(value, `${key} ${etag}`);
    } else if ('round' in value) for (const counts of value.steps) keepBest(exact, value.round, counts);
  }
  const steps = new Set([...exact.keys(), ...totals.flatMap((each) => Object.keys(each.steps))]);
  const views = new Map<string, StepView>();
  return {
    ...{ totals, tags, exact, pruned, steps: [...steps] },
    step: (name) => {
      const view = views.get(name) ?? new StepView(totals, name, exact.get(name)?.round ?? -1);
      views.set(name, view);
      return view;
    },
  };
}

function keepBest(exact: Map<string, { round: number; counts: StepCounts }>, round: number, counts: StepCounts): void {
  const best = exact.get(counts.step);
  const worse =
    best === undefined || best.round < round || (best.round === round && compareExact(best.counts, counts) < 0);
  if (worse) exact.set(counts.step, { round, counts });
}
