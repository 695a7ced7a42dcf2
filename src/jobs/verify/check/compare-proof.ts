import { bytesChecksum } from '../../../lib/file-checksum.ts';
import { proofKey } from '../../../model/keys.ts';
import { checkChains } from '../../../model/verify/chains-check.ts';
import { composeResult } from '../../../model/verify/compose-result.ts';
import { skipsOf } from '../../../model/verify/decisions.ts';
import { differences } from '../../../model/verify/differences.ts';
import type { ProofLine } from '../../../model/verify/evidence-lines.ts';
import { Findings } from '../../../model/verify/findings.ts';
import type { VerifyResult } from '../../../model/verify/verify-result.ts';
import type { JobView } from '../../../model/view.ts';
import { proofChecksum, proofNumber, type StoredProof } from '../proof.ts';
import { concludeState, concludeTotals } from '../verify-job.ts';
import type { Claimed } from './claimed.ts';

/** Longer values are cut where a difference is told. */
const SHOWN = 60;

/** What the lines of a file prove, made as `verify` makes it. What is wrong with them is a finding. */
export function resultOf(
  { view, sum, scanned, ends }: Claimed,
  stated: VerifyResult,
  findings: Findings,
): VerifyResult {
  const chains = checkChains(
    view,
    ends.map(({ facts }) => facts),
    findings,
  );
  for (const [index, step] of chains.steps.entries()) {
    const told = ends[index]?.ended;
    if (told?.failed !== step.failed || told.skipped !== step.skipped)
      findings.add('ends', `the ends of step ${step.name} do not list every task that failed or was skipped`);
  }
  const expectations = concludeTotals(
    view,
    ends.map(({ totals }) => totals),
    findings,
  );
  concludeState(view, findings);
  const { inputs: _, ...record } = view.record;
  return composeResult({
    ...{ view, chains, scanned, expectations, findings, warnings: new Findings() },
    ...{ deep: stated.deep, altered: stated.altered },
    ...{ evidence: sum.finish(record), skips: skipsOf(sum.entries) },
  });
}

/** Compares what a proof states with what the lines before it come to. */
export function compareResult(stated: VerifyResult, found: VerifyResult, findings: Findings): void {
  // What was found is in words, which a later version may choose better; the verdict says whether there was any.
  const told = { problems: [], warnings: [], verdict: stated.verdict };
  for (const { path, ...values } of differences({ ...stated, ...told }, { ...found, ...told }))
    findings.add(
      'stated',
      `the proof states ${path} ${shown(values.stated)}, but the lines yield ${shown(values.found)}`,
    );
  if (stated.verdict !== 'proven')
    findings.add(
      'notProven',
      `the proof itself says ${stated.verdict}: ${stated.problems?.[0]?.message ?? 'no reason'}`,
    );
}

/** Checks what a proof says of itself: its checksums, its place in the chain, the journal entry that it was made at. */
export function checkProofLine(
  { key, checksum }: ProofLine,
  proof: StoredProof,
  view: JobView,
  findings: Findings,
): void {
  const number = key === null ? null : proofNumber(key);
  if (key !== null && (number === null || key !== proofKey(view.record.job, number)))
    findings.add('proof', `${key} is not a key of a proof of ${view.record.job}`);
  if ((key === null) !== (proof.result.verdict !== 'proven'))
    findings.add('proof', 'only valid proofs are kept in the store');
  if (number !== null && (number === 0) !== (proof.previous === null))
    findings.add('proof', `proof ${number} ${number === 0 ? 'refers' : 'does not refer'} to an earlier proof`);
  if (checksum !== bytesChecksum(new TextEncoder().encode(JSON.stringify(proof))))
    findings.add('proof', 'the proof does not match its checksum');
  if (proof.checksum !== proofChecksum(proof)) findings.add('proof', 'the proof does not match its name');
}

/** A proof names the last entry of the journal, by its bytes. */
export function checkEntry(proof: StoredProof, checksums: readonly string[], findings: Findings): void {
  if (proof.entry !== checksums.length - 1 || proof.entryChecksum !== (checksums.at(-1) ?? null))
    findings.add('decisions', `the proof was made at entry ${proof.entry}, which is not the last decision here`);
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}
