import { BatchctlError, isKind } from '../../errors.ts';
import { requireShape, type Shape } from '../../lib/json.ts';
import { EMPTY_OUTPUTS, emptyOutputsText } from '../../model/completeness-text.ts';
import { unmetText } from '../../model/expect.ts';
import type { JobRecord } from '../../model/job.ts';
import { isClosed } from '../../model/job-state.ts';
import { jobKey, journalPrefix, runClaimKey } from '../../model/keys.ts';
import { changedStep } from '../../model/overrides.ts';
import type { RangePart } from '../../model/part.ts';
import { TaskBits } from '../../model/task-set.ts';
import { checkChains } from '../../model/verify/chains-check.ts';
import { Findings } from '../../model/verify/findings.ts';
import { composeResult, skipsOf, type VerifyResult } from '../../model/verify/verify-result.ts';
import { type JobView, stateOf } from '../../model/view.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import type { Platform } from '../../ports/platform.ts';
import { readEntries, readRecord, refreshView } from '../journal.ts';
import { listFacts } from '../listing.ts';
import { prunedError } from '../pruned.ts';
import { decidingClaim, keyedOf } from '../run-keys.ts';
import { CutError } from '../split/cut-check.ts';
import { recheckCuts } from '../split/stage-part.ts';
import { recordDigest } from '../submit/same-job.ts';
import { evaluateAll, isUnmet, type StepTotals } from '../totals.ts';
import { EarlierProofs } from './earlier-proofs.ts';
import { EvidenceLog } from './evidence-log.ts';
import type { EvidenceSum } from './evidence-sum.ts';
import { checkProofs, type FoundProof, readDecisions, readProofs, standingProof } from './proof.ts';
import { requireUnchanged } from './remains.ts';
import { readParts, scanInputs, scanParts, scanStepParts } from './scan-inputs.ts';
import { type StepScan, scanStep } from './scan-outputs.ts';
import { createContext, type VerifyContext, type VerifyOptions } from './verify-context.ts';

const NOTHING = { outputs: 0, seconds: 0, bytesIn: 0, bytesOut: 0, counters: {} };

/** Evaluates the control totals on the sums; `totals` is in step order. One that fails and was not accepted is a finding. */
export function checkTotals(
  view: JobView,
  totals: readonly StepTotals[],
  findings: Findings,
): VerifyResult['expectations'] {
  const byStep = new Map(view.record.spec.steps.map(({ name }, index) => [name, totals[index] ?? NOTHING]));
  return evaluateAll(view, byStep).map((found) => {
    if (isUnmet(found)) findings.add('expect', unmetText(found));
    const { equation, ok, left, right, accepted } = found;
    return { equation, ok, left, right, ...(accepted && { accepted }) };
  });
}

/** A cancelled or failed job proves nothing, even if none of its work is missing. */
export function checkState(view: JobView, findings: Findings): void {
  const state = stateOf(view);
  if (state === 'cancelled') findings.add('cancelled', 'the job was cancelled before it ended');
  const reason = view.closed?.reason ?? null;
  if (state === 'failed' && !findings.any)
    findings.add('jobFailed', `the job was closed as failed${reason === null ? '' : ` (${reason})`}`);
}

/**
 * Proves, by reading only the store, that a closed job lost nothing and did nothing twice: its parts cover every byte
 * of its inputs exactly once, every chain has an accepted end, every output is as published, and its control totals
 * hold. Reads everything once and reports it to the evidence; again if it found problems and something was decided
 * about the job meanwhile, as the work of a new round looks like an alteration to a view from before it. Memory use is
 * constant. Returns `unfinished` for a job that isn't closed, with undecided tasks as missing. Throws `corrupt` for an
 * object that can't be read at all, `newer` for a format of a later version.
 */
export async function verifyJob(platform: Platform, view: JobView, options: VerifyOptions = {}): Promise<VerifyResult> {
  const { store } = platform;
  for (let now = view; ; options.evidence?.restart()) {
    // Before the journal: then it has every entry that a proof names.
    const proofs = await readProofs(store, view.record.job);
    now = await refreshView(store, now);
    requireInputShapes(now);
    await requireIntactRecord(store, now.accepted);
    if (now.pruned !== null) return keptResult(platform, now, now.pruned, options);
    if (!isClosed(stateOf(now))) return unfinished(platform, now, proofs, options);
    try {
      const result = await verifyClosed(platform, now, proofs, options);
      if (result.problems.length === 0 || !(await isDecidedSince(store, now))) return result;
    } catch (error) {
      if (!isKind(error, 'corrupt') || !(await isDecidedSince(store, now))) throw error;
    }
  }
}

/** Whether something was decided about the job after the view was read that could make what it says untrue. */
async function isDecidedSince(store: ObjectStore, view: JobView): Promise<boolean> {
  const entries = await readEntries(store, view.record.job, view.next);
  return entries.some(({ what }) => what !== 'delivered' && what !== 'undelivered');
}

/**
 * A pruned job's objects are gone, so its last proof holds. Throws `notFound` if there is none, `corrupt` if what is
 * left was altered.
 */
async function keptResult(
  platform: Platform,
  view: JobView,
  pruned: NonNullable<JobView['pruned']>,
  { evidence }: VerifyOptions,
): Promise<VerifyResult> {
  const { record, next } = view;
  const { job } = record;
  await requireUnchanged(platform.store, view);
  const kept = await standingProof(platform, job, next - 1);
  if (kept === null) throw prunedError(job, pruned, 'no proof of its result was stored');
  if (evidence !== undefined)
    throw prunedError(job, pruned, 'the evidence for its proof is gone, but the proof is valid');
  return kept.result;
}

async function unfinished(
  { store }: Platform,
  view: JobView,
  proofs: readonly FoundProof[],
  options: VerifyOptions,
): Promise<VerifyResult> {
  await requireProvenJournal(store, view, proofs);
  const chains = checkChains(view, await listFacts(store, view), new Findings());
  return composeResult({
    view,
    chains,
    deep: options.deep === true,
    scanned: { parts: 0, inputs: 0, bytes: 0 },
    expectations: [],
    skips: [],
    altered: [],
    evidence: null,
    findings: new Findings(),
    warnings: new Findings(),
  });
}

async function verifyClosed(
  platform: Platform,
  view: JobView,
  proofs: readonly FoundProof[],
  options: VerifyOptions,
): Promise<VerifyResult> {
  const { store } = platform;
  const evidence = new EvidenceLog(view, options.evidence ?? null);
  const { parts } = view.record;
  const ctx: VerifyContext = {
    ...(await createContext(platform, view, parts, options)),
    evidence,
    cuts: { assumed: new TaskBits(parts), checked: new TaskBits(parts) },
  };
  await scanInputs(ctx);
  const decisions = await readDecisions(store, view);
  for (const { line, entry } of decisions) evidence.decision(line, entry);
  evidence.sum.endDecisions();
  const scanned = await scanParts(ctx);
  const kept = checkProofs(proofs, decisions, ctx.findings);
  const earlier = new EarlierProofs(view, kept, decisions);
  const steps = await scanSteps(ctx, evidence, earlier);
  await checkCuts(ctx);
  await scanStepParts(ctx);
  const facts = steps.map((step) => step.facts);
  const chains = checkChains(view, facts, ctx.findings);
  const totals = steps.map((step) => step.totals);
  const expectations = checkTotals(view, totals, ctx.findings);
  warnOfEmptyOutputs(view, steps, ctx.warnings);
  const found = evidence.finish();
  const before: EvidenceSum['before'] = (extent) => evidence.sum.before(extent);
  await earlier.compare(store, { evidence: found, before, deep: ctx.deep, facts }, ctx.findings);
  checkState(view, ctx.findings);
  ctx.reportChecked(0);
  return composeResult({
    ...ctx,
    chains,
    scanned,
    expectations,
    evidence: found,
    skips: skipsOf(decisions.map(({ entry }) => entry)),
  });
}

function warnOfEmptyOutputs({ record, overrides }: JobView, scans: readonly StepScan[], warnings: Findings): void {
  for (const [index, { totals, empty }] of scans.entries()) {
    const accepted = record.spec.steps[index];
    if (accepted === undefined || changedStep(accepted, overrides).output === 'none') continue;
    const text = emptyOutputsText(accepted.name, empty, totals.outputs);
    if (text !== null) warnings.add(EMPTY_OUTPUTS, text);
  }
}

const INPUTS: Shape = { inputs: [{ name: 'text', size: 'number', source: { kind: 'text' } }] };
const SOURCES: Readonly<Partial<Record<string, Shape>>> = {
  file: { path: 'text', pin: { inode: 'text', size: 'number', mtimeNs: 'text' } },
  store: { key: 'text', etag: 'text' },
  s3: { bucket: 'text', key: 'text', etag: 'text', version: 'text|null' },
  pipe: {},
};

/**
 * Throws `corrupt` if job.json or the claim of its run key is gone, as no later command finds the job, or if the digest isn't
 * the accepted one: then nothing derived from it can be trusted.
 */
async function requireIntactRecord(store: ObjectStore, record: JobRecord): Promise<void> {
  const { job, runKey } = record;
  const altered = (found: string): BatchctlError =>
    new BatchctlError('corrupt', `${jobKey(job)} was altered: ${found}`, {
      hint: restoreHint(job),
    });
  // A process that ran the job knows its record from before.
  if ((await readRecord(store, job)) === null) throw altered('it is gone');
  const digest = recordDigest(record);
  if (digest !== record.digest)
    throw altered(`its spec, code and inputs have the digest ${digest}, but it was accepted with ${record.digest}`);
  const keyed = keyedOf(record);
  const claim = keyed === null ? null : await decidingClaim(store, keyed);
  if (claim !== null && claim.digest !== digest)
    throw altered(`the run key "${runKey}" was claimed for a job with the digest ${claim.digest}`);
  if (keyed !== null && claim?.job !== job) {
    throw new BatchctlError('corrupt', `the claim of the run key "${runKey}" for job ${job} is gone`, {
      hint: `restore ${runClaimKey(keyed.runKey, keyed.runNumber)} from a backup of the store: without it, the key runs the job again`,
    });
  }
}

/** Throws `corrupt` for inputs that can't be read, of job.json or of the decisions that added them. */
function requireInputShapes({ accepted, record }: JobView): void {
  const { job, inputs } = record;
  requireShape(jobKey(job), record, INPUTS);
  for (const [n, { source }] of inputs.entries()) {
    const where = n < accepted.inputs.length ? jobKey(job) : journalPrefix(job);
    const shape = SOURCES[source.kind];
    if (shape === undefined) {
      const found = `${where} was altered: inputs.${n}.source.kind is "${source.kind}", which does not exist`;
      throw new BatchctlError('corrupt', found, { hint: restoreHint(job) });
    }
    requireShape(where, source, shape, `inputs.${n}.source.`);
  }
}

const restoreHint = (job: string): string =>
  `restore it from a backup or an earlier version of the object; then batchctl verify ${job}`;

/** Throws `corrupt` for an open job whose journal no longer matches an earlier proof. */
async function requireProvenJournal(store: ObjectStore, view: JobView, proofs: readonly FoundProof[]): Promise<void> {
  const { job } = view.record;
  const findings = new Findings();
  checkProofs(proofs, await readDecisions(store, view), findings);
  const [first] = findings.list();
  if (first === undefined) return;
  throw new BatchctlError('corrupt', first.message, {
    hint: `restore the changed objects from a backup or an earlier version; then batchctl verify ${job}`,
  });
}

async function scanSteps(
  ctx: VerifyContext,
  evidence: EvidenceLog,
  earlier: EarlierProofs,
): Promise<readonly StepScan[]> {
  const specs = ctx.view.record.spec.steps;
  for (const [index, opened] of ctx.opened.entries()) {
    if (opened === null) continue;
    const { id, count, leftOut } = opened;
    evidence.opened({ line: 'opened', step: specs[index]?.name ?? '', id, count, leftOut });
  }
  const steps: StepScan[] = [];
  let before: TaskBits | null = null;
  for (const index of specs.keys()) {
    const step: StepScan = await scanStep(ctx, index, before, (task, meta, late) => {
      earlier.add(index, task, meta, late);
      return undefined;
    });
    steps.push(step);
    before = step.facts.published;
  }
  return steps;
}

/** Parts that are read at most: those of tasks that were skipped or given up before they ran, by the thousand. */
const READ = 100;

/**
 * Proves for a succeeded job that assumed cuts are between records (ADR 46): by what its workers found, and for tasks
 * without an output or failure that says so, by reading their parts. Call it after parts and outputs were scanned.
 */
export async function checkCuts(ctx: VerifyContext): Promise<void> {
  const { cuts, warnings } = ctx;
  if (cuts === null || stateOf(ctx.view) !== 'succeeded') return;
  const open = new Set<number>();
  for (const n of cuts.assumed) if (!cuts.checked.has(n) && open.size <= READ) open.add(n);
  if (open.size === 0) return;
  let read = 0;
  // Problems of the parts themselves are reported already.
  for await (const part of readParts({ ...ctx, findings: new Findings() })) {
    if (part.kind !== 'range' || !open.has(part.n)) continue;
    if (read === READ) {
      warnings.add(
        'cutUnread',
        `more than ${READ} parts have no output that counts: the cuts of the others are not checked`,
      );
      return;
    }
    await recheck(ctx, part);
    read += 1;
  }
}

async function recheck(
  { store, bucket, signal, view, findings, warnings }: VerifyContext,
  part: RangePart,
): Promise<void> {
  const { inputs, spec } = view.record;
  const input = inputs[part.input];
  if (input === undefined) return;
  signal?.throwIfAborted();
  try {
    await recheckCuts(part, input, { input, store, bucket, split: spec.input?.split, ...(signal && { signal }) });
  } catch (error) {
    if (error instanceof CutError) {
      const what = `part ${part.n} was cut within a record, and no task's output shows it; check its neighbors, too`;
      findings.add('cutWithinRecord', `${what}: ${error.message}`);
    } else if (isKind(error, 'changed')) {
      const what = `part ${part.n} has no output that counts, and whether it holds whole records is unknown`;
      warnings.add('cutUnread', `${what}: ${error.message}`);
    } else throw error;
  }
}
