import { bytesChecksum } from '../../lib/file-checksum.ts';
import { parseStored } from '../../lib/json.ts';
import { VERSION } from '../../lib/version.ts';
import { canonicalJson } from '../../model/digest.ts';
import { journalKey, proofKey, proofsPrefix } from '../../model/keys.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import type { Platform } from '../../ports/platform.ts';

/** proofs/<0000>.json: a proof, with the journal entry that it was made at and the hash of the one before. */
export interface StoredProof {
  readonly format: 1;
  /** ISO-8601 UTC. */
  readonly when: string;
  readonly who: string;
  /** batchctl's version. */
  readonly version: string;
  /** The last journal entry that was heeded, and the checksum of its bytes. */
  readonly entry: number;
  readonly entryChecksum: string | null;
  /** Of the bytes of the proof before; null for the first. */
  readonly previous: string | null;
  readonly result: VerifyResult;
}

/**
 * Keeps a proof in the store, unless the last one there says the same. Create-if-absent, so of two at once both are
 * kept, in a chain. Answers its key; null for a result that proves nothing.
 */
export async function recordProof(platform: Platform, result: VerifyResult): Promise<string | null> {
  if (result.verdict !== 'proven') return null;
  const { store, clock, who } = platform;
  const entryBytes = result.entry < 0 ? null : await store.read(journalKey(result.job, result.entry));
  for (;;) {
    const last = await lastProof(platform, result.job);
    if (last !== null && canonicalJson(last.proof.result) === canonicalJson(result)) return last.key;
    const proof: StoredProof = {
      format: 1,
      when: new Date(clock.now()).toISOString(),
      who,
      version: VERSION,
      entry: result.entry,
      entryChecksum: entryBytes === null ? null : bytesChecksum(entryBytes),
      previous: last === null ? null : bytesChecksum(last.bytes),
      result,
    };
    const key = proofKey(result.job, last === null ? 0 : last.number + 1);
    const { created } = await store.put(key, JSON.stringify(proof), { ifAbsent: true });
    if (created) return key;
  }
}

/** The last proof that is stored of a job, if nothing was decided of the job since: made at the same journal entry. */
export async function standingProof(platform: Platform, job: string, entry: number): Promise<StoredProof | null> {
  const last = await lastProof(platform, job);
  return last?.proof.entry === entry && last.proof.result.verdict === 'proven' ? last.proof : null;
}

async function lastProof(
  { store }: Platform,
  job: string,
): Promise<{
  readonly key: string;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly proof: StoredProof;
} | null> {
  let found: { key: string; number: number } | null = null;
  for await (const { key } of store.list(proofsPrefix(job))) {
    const match = /\/(\d{4})\.json$/.exec(key);
    if (match?.[1] !== undefined) found = { key, number: Number(match[1]) };
  }
  if (found === null) return null;
  const bytes = await store.read(found.key);
  return bytes === null ? null : { ...found, bytes, proof: parseStored<StoredProof>(found.key, bytes) };
}
