import { isClosed } from '../job.ts';
import { type JobView, stateOf } from '../view.ts';
import type { ChainsChecked } from './chains-check.ts';
import type { Evidence } from './evidence.ts';
import type { Findings } from './findings.ts';
import type { VerifyResult } from './verify-result.ts';

/** All that a verification saw, or a file of it says. */
export interface Verified {
  readonly view: JobView;
  readonly deep: boolean;
  readonly chains: ChainsChecked;
  readonly scanned: { readonly parts: number; readonly inputs: number; readonly bytes: number };
  readonly expectations: VerifyResult['expectations'];
  readonly skips: VerifyResult['skips'];
  readonly altered: readonly string[];
  readonly evidence: Evidence | null;
  readonly findings: Findings;
  readonly warnings: Findings;
}

/** Makes the result of it: equal for equal stores, so that a proof that says nothing new is not kept twice. */
export function composeResult(verified: Verified): VerifyResult {
  const { view, chains, findings } = verified;
  const state = stateOf(view);
  const { rehearsal } = view.record;
  return {
    format: 1,
    job: view.record.job,
    runKey: view.record.runKey,
    state,
    round: view.round,
    entry: view.next - 1,
    digest: view.record.digest,
    verdict: !isClosed(state) ? 'unfinished' : findings.any ? 'failed' : 'proven',
    deep: verified.deep,
    checked: { ...verified.scanned, outputs: chains.steps.reduce((sum, step) => sum + step.published, 0) },
    ...(rehearsal && { rehearsal: { parts: view.record.parts, of: rehearsal.of.parts } }),
    steps: chains.steps,
    chains: chains.chains,
    failed: chains.failed,
    skipped: chains.skipped,
    skips: verified.skips,
    missing: chains.missing,
    late: chains.late,
    altered: verified.altered,
    expectations: verified.expectations,
    evidence: verified.evidence,
    problems: findings.list(),
    warnings: verified.warnings.list(),
  };
}
