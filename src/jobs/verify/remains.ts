import { createHash } from 'node:crypto';
import { BatchctlError } from '../../errors.ts';
import { bytesChecksum } from '../../lib/file-checksum.ts';
import { hasBarrier } from '../../model/job.ts';
import type { JournalEntry } from '../../model/journal.ts';
import { jobKey, jobPrefix, journalKey, journalPrefix, openedKey, proofsPrefix } from '../../model/keys.ts';
import { Findings } from '../../model/verify/findings.ts';
import type { JobView } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { readPrunedMark } from '../pruned.ts';
import { recordDigest } from '../submit/same-job.ts';
import { recordEvidence } from './evidence-sum.ts';
import { checkProofs, type Decision, proofNumber, readDecisions, readProofs } from './proof.ts';

/** Checksums of what a prune keeps, by key below the job's prefix; `journal` covers all entries before the prune. */
export type Remains = Readonly<Record<string, string>>;

/** The objects of a job that a prune is about to keep; its `prune` entry records all of them. */
export async function remainsOf(store: ObjectStore, view: JobView): Promise<Remains> {
  const { job, spec } = view.record;
  const keys = [jobKey(job)];
  for (const [index, { name }] of spec.steps.entries())
    if (hasBarrier(spec.steps, index)) keys.push(openedKey(job, name));
  for await (const key of store.keys(proofsPrefix(job))) if (proofNumber(key) !== null) keys.push(key);
  const remains: Record<string, string> = { journal: journalChecksum(await readDecisions(store, view)) };
  for (const key of keys) {
    const bytes = await store.read(key);
    if (bytes !== null) remains[key.slice(jobPrefix(job).length)] = bytesChecksum(bytes);
  }
  return remains;
}

/**
 * The problems in a pruned job's remaining objects. The proofs cover each other, the journal and job.json; the `prune`
 * entry covers all of them, and `pruned.json` covers that entry.
 */
export async function remainsProblems(store: ObjectStore, view: JobView): Promise<readonly string[]> {
  const { job } = view.record;
  const findings = new Findings();
  const decisions = await readDecisions(store, view);
  const at = decisions.findIndex(({ entry }) => entry.what === 'prune');
  const pruned = decisions[at];
  if (recordDigest(view.accepted) !== view.accepted.digest)
    findings.add('record', `the digest of ${jobKey(job)} differs from the one the job was accepted with`);
  for (const { key, proof } of checkProofs(await readProofs(store, job), decisions, findings)) {
    const stated = proof.result?.evidence?.record;
    if (stated !== undefined && stated !== recordEvidence(view.accepted))
      findings.add('record', `${jobKey(job)} has changed since ${key} was made`);
  }
  if (pruned !== undefined) {
    await checkRemains(store, view, pruned.entry, decisions.slice(0, at), findings);
    const mark = await readPrunedMark(store, job);
    if (mark !== null && mark.entry !== pruned.line.checksum)
      findings.add('prune', `${journalKey(job, at)} is not what prune wrote`);
  }
  return findings.list().map(({ message }) => message);
}

/** Throws `corrupt` for a pruned job whose remaining objects were altered. */
export async function requireUnchanged(store: ObjectStore, view: JobView): Promise<void> {
  const problems = await remainsProblems(store, view);
  if (problems.length === 0) return;
  throw new BatchctlError('corrupt', `${alteredText(view)}: ${problems.join('; ')}`, { hint: REMAINS_HINT });
}

export const alteredText = ({ record: { job } }: JobView): string =>
  `job ${job} was pruned, and its remaining objects were altered since`;

export const REMAINS_HINT = 'restore the altered objects from a backup or an earlier version';

async function checkRemains(
  store: ObjectStore,
  { record: { job } }: JobView,
  entry: JournalEntry,
  before: readonly Decision[],
  findings: Findings,
): Promise<void> {
  const { journal, ...objects } = (entry.what === 'prune' ? entry.remains : undefined) ?? {};
  if (journal !== journalChecksum(before))
    findings.add('remains', `an entry below ${journalPrefix(job)} has changed since the prune`);
  for (const [name, checksum] of Object.entries(objects)) {
    const key = `${jobPrefix(job)}${name}`;
    const bytes = await store.read(key);
    if (bytes === null) findings.add('remains', `${key} is gone, but the prune had kept it`);
    else if (bytesChecksum(bytes) !== checksum) findings.add('remains', `${key} has changed since the prune`);
  }
}

function journalChecksum(decisions: readonly Decision[]): string {
  const hash = createHash('sha256');
  for (const { line } of decisions) hash.update(`${line.checksum}\n`);
  return `sha256:${hash.digest('hex')}`;
}
