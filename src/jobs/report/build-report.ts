import { proofsPrefix } from '../../model/keys.ts';
import type { Report } from '../../model/report/report.ts';
import type { Measured } from '../../model/report/report-sums.ts';
import type { JobView } from '../../model/view.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { Platform } from '../../ports/platform.ts';
import { evaluateAll, expectationsOf } from '../expectations.ts';
import { readEntries } from '../journal.ts';
import { compose, type JobStatus } from '../status.ts';
import { type StoredProof, standingProof } from '../verify/proof.ts';
import { decisionsIn } from './decisions.ts';
import { lateOutputs } from './late.ts';
import { type MeasureOptions, measure } from './measure.ts';
import { reportCost } from './report-cost.ts';
import { stepReports, totalsReport } from './step-reports.ts';

export interface ReportOptions {
  readonly signal?: AbortSignal;
  /** How many attempts were read, of about how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * A job's report: one pass over its attempts in the ledger, its counts, and what the store says of decisions, proof and
 * late outputs. Memory is bounded, whatever the number of attempts. Throws the signal's reason when it is aborted.
 */
export async function buildReport(platform: Platform, view: JobView, options: ReportOptions = {}): Promise<Report> {
  const { store } = platform;
  const { record, closed } = view;
  const ledger = await platform.ledger();
  const now = platform.clock.now();
  const counts = await ledger.counts(record.job);
  const status = compose(view, counts, [], now);
  const measured = await measure(platform, view, now, progressOf(options, counts));
  const proof = await standingProof(platform, record.job, view.next - 1);
  const late = proof === null ? await lateOutputs(store, view) : proof.result.late.slice(0, 100);
  const measuredSteps = stepReports(view, status, counts, measured);
  const { cost, steps } = await reportCost(platform, view, { counts, status, steps: measuredSteps });
  // A job that was told to begin later did not take longer for it.
  const begun = Math.max(Date.parse(record.createdAt), view.notBefore === null ? 0 : Date.parse(view.notBefore));
  return {
    ...identityOf(view, status),
    startedAt: isoOrNull(measured.startedAt),
    endedAt: isoOrNull(measured.endedAt),
    closedAt: closed?.when ?? null,
    seconds: Math.max(0, (closed === null ? now : Date.parse(closed.when)) - begun) / 1_000,
    exact: status.exact && steps.every(({ name, done }) => (measured.steps.get(name)?.done ?? 0) >= done),
    proof: proof === null ? null : await proofOf(platform, record.job, proof),
    inputs: {
      count: record.inputs.length,
      bytes: record.inputs.reduce((sum, { size }) => sum + size, 0),
      records: record.records,
    },
    parts: record.parts,
    steps,
    totals: totalsReport(steps, measured),
    throughput: measured.throughput,
    timeline: measured.timeline,
    workers: measured.workers,
    causes: measured.causes,
    slowest: measured.slowest,
    expectations: await expectations(platform, view, { status, counts, proof, late: late.length > 0 }),
    decisions: decisionsIn(view, await readEntries(store, record.job)),
    late,
    cost,
  };
}

function identityOf({ record, round }: JobView, { state, reason }: JobStatus) {
  const { job, spec, runKey, period, createdBy, host, version, digest, code, createdAt } = record;
  const { name, labels, params } = spec;
  return {
    ...({ format: 1, job, name, runKey, period, state, reason, round, labels, params } as const),
    ...{ createdBy, host, version, digest, code, createdAt },
    ...(record.rehearsal && { rehearsal: { parts: record.parts, of: record.rehearsal.of.parts } }),
  };
}

/** The ledger's counts are not the attempts, but about as many. */
function progressOf({ signal, onProgress }: ReportOptions, counts: readonly StepCounts[]): MeasureOptions {
  const about = counts.reduce((sum, each) => sum + each.done + each.failed + each.retried + each.interrupted, 0);
  return {
    ...(signal !== undefined && { signal }),
    ...(onProgress !== undefined && { onProgress: (read: number) => onProgress(read, Math.max(read, about)) }),
  };
}

async function proofOf({ store }: Platform, job: string, proof: StoredProof): Promise<Report['proof']> {
  let key = '';
  for await (const found of store.keys(proofsPrefix(job))) key = found;
  return { key, when: proof.when, deep: proof.result.deep };
}

/** By what is cheapest and still exact: the proof, the ledger's exact sums, the outputs themselves. */
async function expectations(
  platform: Platform,
  view: JobView,
  known: {
    readonly status: JobStatus;
    readonly counts: readonly StepCounts[];
    readonly proof: StoredProof | null;
    /** The ledger's sums hold outputs that no equation is about. */
    readonly late: boolean;
  },
): Promise<Report['expectations']> {
  const { status, counts, proof, late } = known;
  if (view.record.spec.expect.length === 0) return [];
  if (proof !== null) return proof.result.expectations;
  if (view.closed !== null && (late || !status.exact) && view.pruned === null)
    return expectationsOf(platform.store, view);
  const totals = new Map(counts.map((each) => [each.step, { ...each, outputs: each.done }]));
  const found = evaluateAll(view, totals);
  return view.closed === null || !status.exact ? found.map((each) => ({ ...each, ok: null })) : found;
}

const isoOrNull = (at: Measured['startedAt']): string | null => (at === null ? null : new Date(at).toISOString());
