import { eachParallel } from '../../lib/each-parallel.ts';
import { parseStored } from '../../lib/json.ts';
import { ledgerPrunedKey, ledgerSumsPrefix, ledgerTotalsKey } from '../../model/keys.ts';
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
  snapshot: Snapshot | null;
}

/** Reads jobs' sums: one listing, and a read of each object that changed since the last one. */
export class Snapshots {
  readonly #store: LedgerObjects;
  readonly #jobs = new Map<string, Kept>();

  constructor(store: LedgerObjects) {
    this.#store = store;
  }

  async of(job: string): Promise<Snapshot> {
    const kept = this.#kept(job);
    const listed = new Set<string>();
    const changed: { readonly key: string; readonly etag: string }[] = [];
    for await (const { key, etag } of this.#store.list(ledgerSumsPrefix(job))) {
      listed.add(key);
      if (kept.objects.get(key)?.etag !== etag) changed.push({ key, etag });
    }
    let same = changed.length === 0 && kept.objects.size === listed.size;
    for (const key of [...kept.objects.keys()]) if (!listed.has(key)) kept.objects.delete(key);
    await eachParallel(changed, READS, async ({ key, etag }) => {
      const bytes = await this.#store.read(key);
      if (bytes === null) kept.objects.delete(key);
      else kept.objects.set(key, { etag, value: parseStored<Sums>(key, bytes) });
    });
    same &&= kept.snapshot !== null;
    if (same && kept.snapshot !== null) return kept.snapshot;
    kept.snapshot = snapshotOf(job, kept.objects);
    return kept.snapshot;
  }

  forget(job: string): void {
    this.#jobs.delete(job);
  }

  #kept(job: string): Kept {
    const kept = this.#jobs.get(job) ?? { objects: new Map(), snapshot: null };
    this.#jobs.delete(job);
    this.#jobs.set(job, kept);
    for (const [old] of this.#jobs) if (this.#jobs.size > JOBS_KEPT) this.#jobs.delete(old);
    return kept;
  }
}

function snapshotOf(job: string, objects: Kept['objects']): Snapshot {
  const totals: Totals[] = [];
  const exact = new Map<string, { readonly round: number; readonly counts: StepCounts }>();
  let pruned: readonly StepCounts[] | null = null;
  // By key, not in the order of reading: who comes first among equals must be the same for every reader.
  for (const [key, { value }] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (key === ledgerPrunedKey(job)) pruned = (value as PrunedCounts).counts;
    else if (key === ledgerTotalsKey(job, (value as Totals).writer)) totals.push(value as Totals);
    else if ('round' in value) for (const counts of value.steps) keepBest(exact, value.round, counts);
  }
  const steps = new Set([...exact.keys(), ...totals.flatMap((each) => Object.keys(each.steps))]);
  const views = new Map<string, StepView>();
  return {
    ...{ totals, exact, pruned, steps: [...steps] },
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
    best === undefined ||
    best.round < round ||
    (best.round === round && best.counts.done + best.counts.failed < counts.done + counts.failed);
  if (worse) exact.set(counts.step, { round, counts });
}
