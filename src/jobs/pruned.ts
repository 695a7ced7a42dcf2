import { createHash } from 'node:crypto';
import { BatchctlError } from '../errors.ts';
import { parseStored } from '../lib/json.ts';
import { canonicalJson } from '../model/digest.ts';
import { prunedKey } from '../model/keys.ts';
import type { JobView } from '../model/view.ts';
import type { ExactCounts } from '../ports/ledger.ts';
import type { ObjectStore } from '../ports/object-store.ts';

/** jobs/<job>/pruned.json: written after the journal says `prune`, and before the first object is removed. */
export interface PrunedMark {
  readonly format: 1;
  /** ISO-8601 UTC. */
  readonly when: string;
  readonly who: string;
  /** What the steps came to: once the outputs are gone, nothing else could tell a ledger that was lost. */
  readonly steps: readonly ExactCounts[];
  /** True once all was removed; until then the next prune goes on. */
  readonly finished: boolean;
  /** The checksum of the journal's prune entry; early versions wrote neither this nor the next. */
  readonly entry?: string;
  /** `sha256:<hex>` of the canonical JSON of all but this and `finished`. */
  readonly checksum?: string;
}

/** The checksum that a mark names itself by. */
export function markChecksum({ checksum: _, finished: __, ...rest }: PrunedMark): string {
  return `sha256:${createHash('sha256').update(canonicalJson(rest)).digest('hex')}`;
}

/**
 * The mark of a pruned job; null for one that is whole, or whose prune ended right after its journal entry. Throws `corrupt`
 * for one that was altered.
 */
export async function readPrunedMark(store: ObjectStore, job: string): Promise<PrunedMark | null> {
  const key = prunedKey(job);
  const bytes = await store.read(key);
  const mark = bytes === null ? null : parseStored<PrunedMark>(key, bytes);
  if (mark?.checksum === undefined || mark.checksum === markChecksum(mark)) return mark;
  throw new BatchctlError('corrupt', `${key} is not what prune wrote: it was altered`, {
    hint: 'restore it from a backup or an earlier version of the object',
  });
}

/** `pruned on 2026-11-30 by ann@desk` */
export function prunedText({ who, when }: NonNullable<JobView['pruned']>): string {
  return `pruned on ${when.slice(0, 10)} by ${who}`;
}

/**
 * Throws `notFound` for a job whose outputs, parts and logs were pruned; `what` is what was asked for: `its outputs`.
 * For verbs that read them: without it they would answer that something is missing.
 */
export function refusePruned(view: JobView, what: string): void {
  if (view.pruned !== null) throw prunedError(view.record.job, view.pruned, `${what} are gone`);
}

/** The error for what a pruned job can't answer any more. */
export function prunedError(job: string, pruned: NonNullable<JobView['pruned']>, why: string): BatchctlError {
  return new BatchctlError('notFound', `job ${job} was ${prunedText(pruned)}: ${why}`, {
    hint: `batchctl status ${job} still works; submit the job again for its outputs`,
  });
}
