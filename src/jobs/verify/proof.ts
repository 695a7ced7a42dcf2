import { createHash } from 'node:crypto';
import { BatchctlError, isKind } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { canonicalJson, parseStored } from '../../lib/json.ts';
import { VERSION } from '../../lib/version.ts';
import type { EntryWhat, JournalEntry } from '../../model/journal.ts';
import { journalKey, proofKey, proofsPrefix } from '../../model/keys.ts';
import type { DecisionLine, ProofLine } from '../../model/verify/evidence.ts';
import type { Findings } from '../../model/verify/findings.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { parseEntry, readEntry } from '../journal.ts';
import { RootDigest } from './evidence-sum.ts';

/** A journal entry with its bytes, which later show that it was not changed. */
export interface Decision {
  readonly line: DecisionLine;
  readonly entry: JournalEntry;
}

/** The entries that a view was computed from. Throws `corrupt` if one is gone or isn't JSON. */
export async function readDecisions(store: ObjectStore, view: JobView): Promise<readonly Decision[]> {
  const decisions: Decision[] = [];
  for (let n = 0; n < view.next; n += 1) {
    const key = journalKey(view.record.job, n);
    const bytes = await store.read(key);
    if (bytes === null) {
      throw new BatchctlError('corrupt', `${key} is gone, but existed a moment ago`, {
        hint: 'restore it from a backup of the store',
      });
    }
    const entry = parseEntry(key, bytes);
    const text = new TextDecoder().decode(bytes);
    decisions.push({ entry, line: { line: 'decision', n, checksum: bytesChecksum(bytes), text } });
  }
  return decisions;
}

/** proofs/<0000>.json: a proof, with the journal entry it was made at and the checksum of the proof before. */
export interface StoredProof {
  readonly format: 1;
  /** ISO-8601 UTC. */
  readonly when: string;
  readonly who: string;
  readonly version: string;
  /** The last journal entry that was taken into account, and the checksum of its bytes. */
  readonly entry: number;
  readonly entryChecksum: string | null;
  /** Checksum of the previous proof's bytes; null for the first. */
  readonly previous: string | null;
  readonly result: VerifyResult;
  /** `sha256:<hex>` of the canonical JSON of all other fields. */
  readonly checksum: string;
}

export interface KeptProof {
  readonly key: string;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly proof: StoredProof;
}

export function proofChecksum({ checksum: _, ...rest }: Omit<StoredProof, 'checksum'> & { checksum?: string }): string {
  return `sha256:${createHash('sha256').update(canonicalJson(rest)).digest('hex')}`;
}

/** The number in a proof's key; null for other objects. */
export function proofNumber(key: string): number | null {
  const number = /\/proofs\/(\d{4}|[1-9]\d{4,})\.json$/.exec(key)?.[1];
  return number === undefined ? null : Number(number);
}

/** A stored proof; null if it provably doesn't exist. Throws `corrupt` if it isn't JSON. */
async function readProof(store: ObjectStore, key: string): Promise<KeptProof | null> {
  const number = proofNumber(key);
  const bytes = number === null ? null : await store.read(key);
  if (number === null || bytes === null) return null;
  return { key, number, bytes, proof: parseStored<StoredProof>(key, bytes) };
}

/** A proof of a chain, or why it can't be read. */
export type FoundProof = KeptProof | { readonly key: string; readonly problem: string };

/** All stored proofs of a job, oldest first. */
export async function readProofs(store: ObjectStore, job: string): Promise<readonly FoundProof[]> {
  const found: FoundProof[] = [];
  for (const key of await proofKeys(store, job)) {
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
 * Checks that the stored proofs are intact: none is gone or changed, each names its predecessor, and the journal still
 * says what it said then. Returns the intact ones.
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
      findings.add(
        'proofAltered',
        `${key} follows a different proof than the one before it, so one of them was altered`,
      );
    if (isAsWritten(proof)) checkJournal(kept, decisions, findings);
    else findings.add('proofAltered', `${key} is not what verify wrote: it was altered`);
    if (findings.count('proofAltered') + findings.count('journalAltered') === problems) sound.push(kept);
    before = { number, checksum: bytesChecksum(bytes) };
  }
  return sound;
}

const isAsWritten = (proof: StoredProof): boolean => proof.checksum === proofChecksum(proof);

/** A proof names its entry and the first entries by their bytes, and all entries up to it by their root. */
function checkJournal({ key, proof }: KeptProof, decisions: readonly Decision[], findings: Findings): void {
  const known = proof.result?.evidence?.decisions;
  const said = [{ n: proof.entry, checksum: proof.entryChecksum }, ...(known?.listed ?? [])];
  const other = said.find(({ n, checksum }) => n >= 0 && decisions[n]?.line.checksum !== checksum);
  if (other !== undefined) findings.add('journalAltered', `journal entry ${other.n} has changed since ${key} was made`);
  else if (known !== undefined && known.count > known.listed.length && rootOf(decisions, known.count) !== known.root)
    findings.add(
      'journalAltered',
      `one of the journal entries ${known.listed.length} to ${known.count - 1} has changed since ${key} was made`,
    );
}

function rootOf(decisions: readonly Decision[], count: number): string {
  const root = new RootDigest('decisions', () => undefined);
  for (const { line } of decisions.slice(0, count)) root.add(line.n, JSON.stringify(line));
  return root.finish();
}

/**
 * Stores a proof, unless the last one says the same. Uses create-if-absent, so two concurrent proofs are both kept, in
 * a chain. Returns the stored proof; null for a result that proves nothing, or of an older journal than the last proof,
 * which would no longer hold if this one followed it.
 */
export async function storeProof(platform: Platform, result: VerifyResult): Promise<KeptProof | null> {
  if (result.verdict !== 'proven') return null;
  for (;;) {
    const last = await lastProof(platform, result.job);
    if (last !== null && canonicalJson(last.proof.result) === canonicalJson(result)) return last;
    if (last !== null && last.proof.entry > result.entry) return null;
    const proof = await makeProof(platform, result, last);
    const number = last === null ? 0 : last.number + 1;
    const key = proofKey(result.job, number);
    const bytes = new TextEncoder().encode(JSON.stringify(proof));
    const { created } = await platform.store.put(key, bytes, { ifAbsent: true });
    if (created) return { key, number, bytes, proof };
  }
}

/** The line of an evidence file with the proof: as stored or, if nothing is proven, as it would have been. */
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
 * The last stored proof of a job, if nothing but a delivery or a prune was decided about the job since. Throws
 * `corrupt` if it was altered.
 */
export async function standingProof(platform: Platform, job: string, entry: number): Promise<StoredProof | null> {
  const last = await lastProof(platform, job);
  if (last === null) return null;
  if (!isAsWritten(last.proof))
    throw new BatchctlError('corrupt', `${last.key} is not what verify wrote: it was altered`, {
      hint: `restore it from a backup or an earlier version of the object; then batchctl verify ${job}`,
    });
  if (last.proof.result.verdict !== 'proven') return null;
  for (let n = last.proof.entry + 1; n <= entry; n += 1) {
    const what = (await readEntry(platform.store, job, n))?.what;
    if (what === undefined || !DECIDES_NOTHING.includes(what)) return null;
  }
  return last.proof.entry <= entry ? last.proof : null;
}

/** Entries that leave a proof valid: what was proven stays proven, wherever the outputs went since. */
const DECIDES_NOTHING: readonly EntryWhat[] = ['delivered', 'undelivered', 'prune'];

async function lastProof({ store }: Platform, job: string): Promise<KeptProof | null> {
  const key = (await proofKeys(store, job)).at(-1) ?? null;
  return key === null ? null : readProof(store, key);
}

/** In the order of their numbers: the keys of those from 10,000 have a digit more, and are listed among the others. */
async function proofKeys(store: ObjectStore, job: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of store.keys(proofsPrefix(job))) if (proofNumber(key) !== null) keys.push(key);
  return keys.sort((a, b) => (proofNumber(a) ?? 0) - (proofNumber(b) ?? 0));
}
