import { isClosed } from '../../model/job.ts';
import type { JournalEntry } from '../../model/journal.ts';
import { type ChainsChecked, checkChains } from '../../model/verify/chains-check.ts';
import { Findings } from '../../model/verify/findings.ts';
import type { SkipProof, VerifyResult } from '../../model/verify/verify-result.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { Platform } from '../../ports/platform.ts';
import { evaluateAll } from '../expectations.ts';
import { readEntries, refreshView } from '../journal.ts';
import { listFacts, stepTotals } from '../listing.ts';
import { scanInputs } from './scan-inputs.ts';
import { type StepScanned, scanStep } from './scan-outputs.ts';
import { type PartsScanned, scanParts } from './scan-parts.ts';
import type { Verifying, VerifyOptions } from './verify-context.ts';

export type { VerifyOptions };

/**
 * Proves, by reading the store alone, that a closed job lost nothing and did nothing twice: its parts hold every byte of its
 * inputs once, every chain has an accepted end, every output is as it was published, its control totals hold.
 * Memory is flat. A job that isn't closed is answered as `unfinished`, with what is undecided as missing.
 * Throws `corrupt` for an object that can't be read at all, `newer` for a format of a later version.
 */
export async function verifyJob(platform: Platform, view: JobView, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { store } = platform;
  const now = await refreshView(store, view);
  const ctx = begin(store, now, options);
  if (!isClosed(stateOf(now))) {
    const chains = checkChains(now, await listFacts(store, now), new Findings());
    return compose(ctx, chains, { parts: 0, inputs: 0, bytes: 0 }, [], []);
  }
  const scanned = await scanParts(ctx);
  const steps: StepScanned[] = [];
  for (const index of now.record.spec.steps.keys()) steps.push(await scanStep(ctx, index));
  const chains = checkChains(
    now,
    steps.map(({ facts }) => facts),
    ctx.findings,
  );
  const totals = new Map(now.record.spec.steps.map((step, index) => [step.name, steps[index]?.totals ?? NOTHING]));
  const expectations = evaluateAll(now, totals).map(({ equation, ok, left, right, missing }) => {
    if (!ok) ctx.findings.add('expect', unmetText(equation, left, right, missing));
    return { equation, ok, left, right };
  });
  if (ctx.deep) await scanInputs(ctx);
  noteEnd(now, ctx.findings);
  return compose(ctx, chains, scanned, expectations, await skipsOf(platform, now));
}

function begin(store: Platform['store'], view: JobView, options: VerifyOptions): Verifying {
  const total = view.record.parts + stepTotals(view).reduce((sum, size) => sum + size, 0);
  let done = 0;
  return {
    store,
    view,
    deep: options.deep === true,
    signal: options.signal,
    findings: new Findings(),
    warnings: new Findings(),
    altered: [],
    looked: (count) => {
      done += count;
      if (count > 1 || done % 100 === 0) options.onProgress?.(done, total);
    },
  };
}

const NOTHING = { outputs: 0, seconds: 0, bytesIn: 0, bytesOut: 0, counters: {} };

/** A cancelled or failed job proves nothing, even if nothing is missing of what was done. */
function noteEnd(view: JobView, findings: Findings): void {
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

async function skipsOf(platform: Platform, view: JobView): Promise<readonly SkipProof[]> {
  if (view.skipped.length === 0) return [];
  const entries = await readEntries(platform.store, view.record.job);
  return entries
    .filter(isSkip)
    .flatMap(({ tasks, who, when, reason }) =>
      Object.entries(tasks).map(([step, set]): SkipProof => ({ step, tasks: set, who, when, reason })),
    );
}

function isSkip(entry: JournalEntry): entry is JournalEntry & { readonly what: 'skip' } {
  return entry.what === 'skip';
}

function compose(
  ctx: Verifying,
  chains: ChainsChecked,
  scanned: PartsScanned,
  expectations: VerifyResult['expectations'],
  skips: readonly SkipProof[],
): VerifyResult {
  const { view, findings, warnings } = ctx;
  const state = stateOf(view);
  const { record } = view;
  return {
    format: 1,
    job: record.job,
    runKey: record.runKey,
    state,
    round: view.round,
    entry: view.next - 1,
    digest: record.digest,
    verdict: !isClosed(state) ? 'unfinished' : findings.any ? 'failed' : 'proven',
    deep: ctx.deep,
    checked: { ...scanned, outputs: chains.steps.reduce((sum, step) => sum + step.published, 0) },
    steps: chains.steps,
    chains: chains.chains,
    failed: chains.failed,
    skipped: chains.skipped,
    skips,
    missing: chains.missing,
    late: chains.late,
    altered: ctx.altered,
    expectations,
    problems: findings.list(),
    warnings: warnings.list(),
  };
}
