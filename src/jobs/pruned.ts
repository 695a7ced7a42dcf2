import { BatchctlError } from '../errors.ts';
import { loadCrypto } from '../lib/id.ts';
import { canonicalJson, readStored } from '../lib/json.ts';
import { prunedKey } from '../model/keys.ts';
import type { ExactCounts } from '../model/ledger/records.ts';
import type { JobView } from '../model/view.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { Platform } from '../ports/platform.ts';
import { recordView } from './record-view.ts';

/** jobs/<job>/pruned.json: written after the journal's `prune` entry, and before the first object is removed. */
export interface PrunedMark {
  readonly format: 1;
  /** ISO-8601 UTC. */
  readonly when: string;
  readonly who: string;
  /** The results of the steps, which a rebuilt ledger could not get from anywhere else. */
  readonly steps: readonly ExactCounts[];
  /** True once all is removed; until then the next prune continues. */
  readonly finished: boolean;
  /** Checksum of the journal's prune entry. */
  readonly entry: string;
  /** `sha256:<hex>` of the canonical JSON of all but this and `finished`. */
  readonly checksum: string;
}

export function markChecksum({
  checksum: _,
  finished: __,
  ...rest
}: Omit<PrunedMark, 'checksum'> & { checksum?: string }): string {
  return `sha256:${loadCrypto().createHash('sha256').update(canonicalJson(rest)).digest('hex')}`;
}

/**
 * The mark of a pruned job; null for one that isn't pruned, or whose prune ended right after its journal entry. Throws
 * `corrupt` for an altered mark.
 */
export async function readPrunedMark(store: ObjectStore, job: string): Promise<PrunedMark | null> {
  const key = prunedKey(job);
  const mark = await readStored<PrunedMark>(store, key);
  if (mark === null || mark.checksum === markChecksum(mark)) return mark;
  throw new BatchctlError('corrupt', `${key} is not what prune wrote: it was altered`, {
    hint: 'restore it from a backup or an earlier version of the object',
  });
}

/** Afterwards, a rebuilt ledger and one that counted all along agree on a pruned job. */
export async function forgetPruned(platform: Platform, view: JobView, { steps }: PrunedMark): Promise<void> {
  const ledger = await platform.ledger();
  await recordView(platform, view);
  await ledger.recordExact(view.record.job, view.round, steps);
  await ledger.forget(view.record.job);
}

/** `pruned on 2026-11-30 by ann@desk` */
export function prunedText({ who, when }: NonNullable<JobView['pruned']>): string {
  return `pruned on ${when.slice(0, 10)} by ${who}`;
}

/**
 * Throws `notFound` for a pruned job; `what` is the request, such as `its outputs`. For commands that read outputs,
 * which would otherwise report something missing.
 */
export function refusePruned(view: JobView, what: string): void {
  if (view.pruned !== null) throw prunedError(view.record.job, view.pruned, `${what} are gone`);
}

/** The error for requests that a pruned job can't answer any more. */
export function prunedError(job: string, pruned: NonNullable<JobView['pruned']>, why: string): BatchctlError {
  return new BatchctlError('notFound', `job ${job} was ${prunedText(pruned)}: ${why}`, {
    hint: `batchctl status ${job} still works; submit the job again for its outputs`,
  });
}
