import type { Findings } from '../../model/verify/findings.ts';
import type { VerifyResult } from '../../model/verify/verify-result.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import { evaluateAll } from '../expectations.ts';
import type { StepTotals } from '../totals.ts';

const NOTHING = { outputs: 0, seconds: 0, bytesIn: 0, bytesOut: 0, counters: {} };

/** Evaluates the control totals on what was added up; `totals` is in step order. One that doesn't hold is a finding. */
export function concludeTotals(
  view: JobView,
  totals: readonly StepTotals[],
  findings: Findings,
): VerifyResult['expectations'] {
  const byStep = new Map(view.record.spec.steps.map(({ name }, index) => [name, totals[index] ?? NOTHING]));
  return evaluateAll(view, byStep).map(({ equation, ok, left, right, missing }) => {
    if (!ok) findings.add('expect', unmetText(equation, left, right, missing));
    return { equation, ok, left, right };
  });
}

/** A cancelled or failed job proves nothing, even if nothing is missing of what was done. */
export function concludeState(view: JobView, findings: Findings): void {
  const state = stateOf(view);
  if (state === 'cancelled') findings.add('cancelled', 'the job was cancelled before its end');
  const reason = view.closed?.reason ?? null;
  if (state === 'failed' && !findings.any)
    findings.add('jobFailed', `the job was closed as failed${reason === null ? '' : ` (${reason})`}`);
}

function unmetText(equation: string, left: string | null, right: string | null, missing: readonly string[]): string {
  if (missing.length > 0) return `${equation} can't be told: nothing counted ${missing.join(', ')}`;
  return `${equation} does not hold: ${left} and ${right}`;
}
