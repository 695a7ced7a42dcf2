import type { LedgerTask } from '../../ports/ledger.ts';
import { hasBarrier } from '../job.ts';
import { are, type Cause, iso, many, some, span } from './cause.ts';
import { busyWith, type Snapshot, shouldRun, since, undecidedIn } from './snapshot.ts';

/** A task that runs so many times longer than its step's median is far from its fellows. */
const FAR = 3;
/** So few of a job's tasks are left, by share, when what is left is waited for. */
const LAST_SHARE = 0.05;
/** A step is slower than in an earlier run from this factor on, and once so many tasks are done. */
const SLOWER = 1.5;
const SLOWER_AFTER = 10;

/** What runs longer than it did, or than its fellows do; and what the ledger doesn't know yet. */
export function paceCauses(seen: Snapshot): readonly Cause[] {
  const slow = shouldRun(seen) ? [...stragglers(seen), ...slowSteps(seen)] : [];
  const behind = ledgerBehind(seen);
  return behind === null ? slow : [...slow, behind];
}

function stragglers(seen: Snapshot): readonly Cause[] {
  const busy = busyWith(seen);
  const running = seen.running.filter((task) => busy.has(`${task.step}/${task.task}`));
  const total = (seen.steps ?? []).reduce((sum, step) => sum + step.total, 0);
  const left = undecidedIn(seen);
  const last = left <= Math.max(1, Math.floor(total * LAST_SHARE)) && running.length >= left;
  const byStep = new Map<string, LedgerTask[]>();
  for (const task of running) {
    const usual = usualOf(seen, task.step);
    if (usual === null || task.startedAt === null) continue;
    if (since(seen, task.startedAt) <= Math.max(FAR * usual.seconds, seen.leaseSeconds)) continue;
    byStep.set(task.step, [...(byStep.get(task.step) ?? []), task]);
  }
  return [...byStep].map(([step, tasks]) => stragglerOf(seen, step, tasks, last));
}

function stragglerOf(seen: Snapshot, step: string, tasks: readonly LedgerTask[], last: boolean): Cause {
  const oldest = [...tasks].sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0));
  const first = oldest[0];
  const { job } = seen.view.record;
  const usual = usualOf(seen, step);
  const name = `${step}/${first?.task}`;
  const ran = span(since(seen, first?.startedAt ?? seen.now));
  const versus = usual === null ? '' : `, ${usual.what} ${span(usual.seconds)}`;
  const count = tasks.length === 1 ? name : `${many(tasks.length, 'task')}, ${name} the longest`;
  const evidence = oldest
    .slice(0, 3)
    .map((task) => `${step}/${task.task} on ${task.worker}, started at ${iso(task.startedAt ?? 0)}`);
  const mend = `batchctl logs ${job} ${name} --follow, to see what it does; batchctl tasks kill ${job} ${name} --requeue, if it hangs`;
  if (!last) {
    const title = `${many(tasks.length, 'task')} of ${step} ${are(tasks.length)} far slower than the rest: ${name} has run for ${ran}${versus}`;
    return { code: 'slowTasks', severity: 'slows', title, evidence, mend };
  }
  const barrier = (seen.steps ?? []).find(
    (known, index) => !known.opened && hasBarrier(seen.view.record.spec.steps, index),
  )?.name;
  const title = `${barrier ?? "the job's end"} waits for ${count}: it has run for ${ran} on ${first?.worker}${versus}`;
  return { code: 'straggler', severity: 'slows', title, evidence, mend };
}

/** How long a task of the step takes, as far as anybody knows. */
function usualOf(
  { durations, earlier }: Snapshot,
  step: string,
): { readonly seconds: number; readonly what: string } | null {
  const seen = durations.get(step);
  if (seen !== undefined) return { seconds: seen.median, what: 'the median is' };
  const before = earlier?.means.get(step);
  return before === undefined ? null : { seconds: before, what: 'in an earlier run the mean was' };
}

/** Steps whose tasks take longer than those of the latest earlier run of the same job. */
function slowSteps({ earlier, counts, view }: Snapshot): readonly Cause[] {
  if (earlier === null) return [];
  return (counts ?? []).flatMap(({ step, done, seconds }): Cause[] => {
    const before = earlier.means.get(step);
    const mean = seconds / done;
    if (before === undefined || done < SLOWER_AFTER || mean < SLOWER * before || mean - before < 0.1) return [];
    return [
      {
        code: 'slowStep',
        severity: 'slows',
        title: `a task of ${step} takes ${span(mean)}; in the previous run it took ${span(before)}`,
        evidence: [`the mean of ${many(done, 'task')} here, against ${earlier.job}`],
        mend: `batchctl report ${view.record.job} --compare ${earlier.job}`,
      },
    ];
  });
}

/** The store has more than the ledger counts, though nothing moved for a while. */
function ledgerBehind(seen: Snapshot): Cause | null {
  const { steps, counts, view } = seen;
  if (steps === null || counts === null) return null;
  const moved = Math.max(0, ...counts.map(({ movedAt }) => movedAt ?? 0));
  const still = view.closed !== null || since(seen, moved) > 2 * seen.leaseSeconds;
  const behind = steps.flatMap(({ name, published }) => {
    const done = counts.find(({ step }) => step === name)?.done ?? 0;
    return done < published ? [`${name}: the ledger counts ${done} done, the store has ${published}`] : [];
  });
  if (!still || behind.length === 0) return null;
  return {
    code: 'ledgerBehind',
    severity: 'note',
    title: `the ledger lags behind the store: status, tasks and report show less than was done (${some(behind, 1)})`,
    evidence: behind,
    mend: `batchctl verify ${view.record.job} --repair, for this job; batchctl ledger rebuild, for all`,
  };
}
