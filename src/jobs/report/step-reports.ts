import type { StepReport, TotalsReport } from '../../model/report/report.ts';
import type { Measured } from '../../model/report/report-sums.ts';
import type { JobView } from '../../model/view.ts';
import type { StepCounts } from '../../ports/ledger.ts';
import type { JobStatus, StepStatus } from '../status.ts';

/**
 * The steps' figures: what is counted by tasks is the ledger's counts, as `status` has them; what is measured comes
 * from the attempts. Interruptions are counted by both: a worker that was killed could not say so, but its attempt is
 * there; a ledger that was rebuilt has no such attempt, but perhaps the count.
 */
export function stepReports(
  view: JobView,
  status: JobStatus,
  counts: readonly StepCounts[],
  measured: Measured,
): readonly StepReport[] {
  return view.record.spec.steps.map(({ name, group, gather }, index): StepReport => {
    const known: Partial<StepStatus> = status.steps[index] ?? {};
    const { total, done = 0, failed = 0, skipped = 0, retried = 0, interrupted = 0 } = known;
    const count = counts.find(({ step }) => step === name);
    const sums = measured.steps.get(name);
    return {
      ...{ name, group, gather, tasks: total ?? 0, done, failed, skipped },
      retried: Math.max(retried, sums?.retried ?? 0),
      interrupted: Math.max(interrupted, sums?.interrupted ?? 0),
      duration: sums?.duration.distribution() ?? null,
      wait: sums?.wait.distribution() ?? null,
      bytesIn: count?.bytesIn ?? 0,
      bytesOut: count?.bytesOut ?? 0,
      cpuSeconds: sums?.cpuSeconds ?? null,
      peakMemory: sums?.peakMemory ?? null,
      counters: count?.counters ?? {},
      cost: null,
    };
  });
}

/** The sums over all steps. */
export function totalsReport(steps: readonly StepReport[], measured: Measured): TotalsReport {
  const { attempts, usefulSeconds, lostSeconds, slotSeconds, mostSlots, busySeconds, startedAt, endedAt } = measured;
  const sum = (of: (step: StepReport) => number): number => steps.reduce((total, step) => total + of(step), 0);
  const done = sum((step) => step.done);
  const span = startedAt === null || endedAt === null ? 0 : (endedAt - startedAt) / 1_000;
  const cpu = steps.flatMap(({ cpuSeconds }) => cpuSeconds ?? []);
  return {
    tasks: sum((step) => step.tasks),
    done,
    failed: sum((step) => step.failed),
    skipped: sum((step) => step.skipped),
    attempts,
    retried: sum((step) => step.retried),
    interrupted: sum((step) => step.interrupted),
    bytesIn: sum((step) => step.bytesIn),
    bytesOut: sum((step) => step.bytesOut),
    cpuSeconds: cpu.length === 0 ? null : rounded(cpu.reduce((total, seconds) => total + seconds, 0)),
    ...{ usefulSeconds, lostSeconds, slots: mostSlots, slotSeconds },
    utilisation: slotSeconds === 0 ? null : Math.min(1, rounded(busySeconds / slotSeconds)),
    rate: span === 0 ? null : rounded(done / span),
  };
}

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;
