import { createHash } from 'node:crypto';
import { isKind } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { parseStored } from '../../lib/json.ts';
import { canonicalJson } from '../../model/digest.ts';
import { proofsPrefix } from '../../model/keys.ts';
import type { Findings } from '../../model/verify/findings.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { RootDigest } from './root-digest.ts';
import type { Decision } from './scan-decisions.ts';

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
  /** `sha256:<hex>` of the canonical JSON of all the other fields; early versions wrote none. */
  readonly checksum?: string;
}

/** A proof as the store keeps it. */
export interface KeptProof {
  readonly key: string;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly proof: StoredProof;
}

/** The checksum that a proof names itself by. */
export function proofChecksum({ checksum: _, ...rest }: Omit<StoredProof, 'checksum'> & { checksum?: string }): string {
  return `sha256:${createHash('sha256').update(canonicalJson(rest)).digest('hex')}`;
}

/** The number of a proof's key; null for another object's. */
export function proofNumber(key: string): number | null {
  const number = /\/proofs\/(\d{4})\.json$/.exec(key)?.[1];
  return number === undefined ? null : Number(number);
}

/** A proof that is kept; null if it provably isn't there. Throws `corrupt` for one that isn't JSON. */
export async function readProof(store: ObjectStore, key: string): Promise<KeptProof | null> {
  const number = proofNumber(key);
  const bytes = number === null ? null : await store.read(key);
  if (number === null || bytes === null) return null;
  return { key, number, bytes, proof: parseStored<StoredProof>(key, bytes) };
}

/** A proof of a chain, or why it can't be read. */
export type FoundProof = KeptProof | { readonly key: string; readonly problem: string };

/** All proofs that are kept of a job, oldest first. */
export async function readProofs(store: ObjectStore, job: string): Promise<readonly FoundProof[]> {
  const found: FoundProof[] = [];
  for await (const key of store.keys(proofsPrefix(job))) {
    try {
      const kept = await readProof(store, key);
      if (kept !== null) found.push(kept);
    } catch (error) {
      if (!isKind(error, 'corrupt')) throw error;
      found.push({ key, problem: error.message });
    }
  }
  return found;
}

/**
 * Looks whether the proofs that are kept are what was once kept: none is gone or was changed, each names the one
 * before, and the journal still says what it said then. Answers those of which all that holds.
 */
export function checkProofs(
  found: readonly FoundProof[],
  decisions: readonly Decision[],
  findings: Findings,
): readonly KeptProof[] {
  const sound: KeptProof[] = [];
  let before: { readonly number: number; readonly checksum: string | null } = { number: -1, checksum: null };
  for (const kept of found) {
    if ('problem' in kept) {
      findings.add('proofAltered', kept.problem);
      return sound;
    }
    const { key, number, bytes, proof } = kept;
    const problems = findings.count('proofAltered') + findings.count('journalAltered');
    if (number !== before.number + 1) findings.add('proofMissing', `the proof before ${key} is gone`);
    else if (proof.previous !== before.checksum)
      findings.add('proofAltered', `${key} was made after another proof than the one before it: one was altered`);
    if (isAsWritten(proof)) checkJournal(kept, decisions, findings);
    else findings.add('proofAltered', `${key} isn't what verify wrote: it was altered`);
    if (findings.count('proofAltered') + findings.count('journalAltered') === problems) sound.push(kept);
    before = { number, checksum: bytesChecksum(bytes) };
  }
  return sound;
}

/** Proofs of early versions have neither checksum nor evidence: they are held by the chain alone. */
export function isAsWritten(proof: StoredProof): boolean {
  return proof.checksum === undefined ? !proof.result?.evidence : proof.checksum === proofChecksum(proof);
}

/** A proof names the entry that it was made at and the first ones by their bytes, and all up to it by their root. */
function checkJournal({ key, proof }: KeptProof, decisions: readonly Decision[], findings: Findings): void {
  const known = proof.result?.evidence?.decisions;
  const said = [{ n: proof.entry, checksum: proof.entryChecksum }, ...(known?.listed ?? [])];
  const other = said.find(({ n, checksum }) => n >= 0 && decisions[n]?.line.checksum !== checksum);
  if (other !== undefined)
    findings.add('journalAltered', `journal entry ${other.n} isn't what it was when ${key} was made`);
  else if (known !== undefined && known.count > known.listed.length && rootOf(decisions, known.count) !== known.root)
    findings.add(
      'journalAltered',
      `one of the journal entries ${known.listed.length} to ${known.count - 1} isn't what it was when ${key} was made`,
    );
}

function rootOf(decisions: readonly Decision[], count: number): string {
  const root = new RootDigest('decisions', () => undefined);
  for (const { line } of decisions.slice(0, count)) root.add(line.n, JSON.stringify(line));
  return root.finish();
}
