import { BatchctlError } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { VERSION } from '../../lib/version.ts';
import { canonicalJson } from '../../model/digest.ts';
import type { EntryWhat } from '../../model/journal.ts';
import { journalKey, proofKey, proofsPrefix } from '../../model/keys.ts';
import type { ProofLine } from '../../model/verify/evidence-lines.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import type { Platform } from '../../ports/platform.ts';
import { readEntry } from '../journal.ts';
import { isAsWritten, type KeptProof, proofChecksum, proofNumber, readProof, type StoredProof } from './proof-chain.ts';

export type { StoredProof };

/**
 * Keeps a proof in the store, unless the last one there says the same. Create-if-absent, so of two at once both are
 * kept, in a chain. Answers its key; null for a result that proves nothing.
 */
export async function recordProof(platform: Platform, result: VerifyResult): Promise<string | null> {
  return (await keepProof(platform, result))?.key ?? null;
}

/** The same, and answers all of it. */
export async function keepProof(platform: Platform, result: VerifyResult): Promise<KeptProof | null> {
  if (result.verdict !== 'proven') return null;
  for (;;) {
    const last = await lastProof(platform, result.job);
    if (last !== null && canonicalJson(last.proof.result) === canonicalJson(result)) return last;
    const proof = await makeProof(platform, result, last);
    const number = last === null ? 0 : last.number + 1;
    const key = proofKey(result.job, number);
    const bytes = new TextEncoder().encode(JSON.stringify(proof));
    const { created } = await platform.store.put(key, bytes, { ifAbsent: true });
    if (created) return { key, number, bytes, proof };
  }
}

/** The line of an evidence file that holds the proof: as it is kept or, where nothing is proven, as it would have been. */
export async function proofLine(
  platform: Platform,
  result: VerifyResult,
  kept: Pick<KeptProof, 'key' | 'proof'> | null,
): Promise<ProofLine> {
  const proof = kept?.proof ?? (await makeProof(platform, result, await lastProof(platform, result.job)));
  const checksum = bytesChecksum(new TextEncoder().encode(JSON.stringify(proof)));
  return { line: 'proof', key: kept?.key ?? null, checksum, proof };
}

async function makeProof(
  { store, clock, who }: Platform,
  result: VerifyResult,
  last: KeptProof | null,
): Promise<StoredProof> {
  const entryBytes = result.entry < 0 ? null : await store.read(journalKey(result.job, result.entry));
  const proof = {
    format: 1,
    when: new Date(clock.now()).toISOString(),
    who,
    version: VERSION,
    entry: result.entry,
    entryChecksum: entryBytes === null ? null : bytesChecksum(entryBytes),
    previous: last === null ? null : bytesChecksum(last.bytes),
    result,
  } as const;
  return { ...proof, checksum: proofChecksum(proof) };
}

/**
 * The last proof that is stored of a job, if nothing was decided of the job since: made at the same journal entry, or
 * before the job was delivered or pruned. Throws `corrupt` for one that was altered.
 */
export async function standingProof(platform: Platform, job: string, entry: number): Promise<StoredProof | null> {
  const last = await lastProof(platform, job);
  if (last === null) return null;
  if (!isAsWritten(last.proof))
    throw new BatchctlError('corrupt', `${last.key} isn't what verify wrote: it was altered`, {
      hint: `restore it from a backup, or from an earlier version of the object; then batchctl verify ${job}`,
    });
  if (last.proof.result.verdict !== 'proven') return null;
  for (let n = last.proof.entry + 1; n <= entry; n += 1) {
    const what = (await readEntry(platform.store, job, n))?.what;
    if (what === undefined || !DECIDES_NOTHING.includes(what)) return null;
  }
  return last.proof.entry <= entry ? last.proof : null;
}

/** What is proven stays so, wherever the outputs went since. */
const DECIDES_NOTHING: readonly EntryWhat[] = ['delivered', 'undelivered', 'prune'];

async function lastProof({ store }: Platform, job: string): Promise<KeptProof | null> {
  let key: string | null = null;
  for await (const found of store.keys(proofsPrefix(job))) if (proofNumber(found) !== null) key = found;
  return key === null ? null : readProof(store, key);
}
