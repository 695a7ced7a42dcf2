import { TOO_MANY } from '../decide.ts';
import { hasBarrier, sectionStart, toleratedOf } from '../job.ts';
import { are, type Cause, many, some } from './cause.ts';
import type { FailureSeen, Snapshot } from './snapshot.ts';

/**
 * An `explode` made more files than the job may have tasks: the watcher that was to open the next step closed the job.
 */
function tooManyFiles({ view }: Snapshot): Cause | null {
  const { closed } = view;
  if (closed?.reason !== TOO_MANY) return null;
  const { steps, maxTasks } = view.record.spec;
  const exploding = steps.find(({ explode }, index) => explode && !view.exploded.has(index + 1));
  return {
    code: 'tooManyFiles',
    severity: 'fails',
    title: `${exploding?.name ?? 'a step'} made more files than the job may have tasks: maxTasks is ${many(maxTasks, 'task')}`,
    evidence: [`closed at ${closed.when}`],
    mend: 'submit the job again with a larger maxTasks, or with fewer, larger files',
  };
}

/** How many causes of failures are reported here; `failures` has them all. */
const FAILURES_TOLD = 5;

/** Tasks that failed for good, and what they hold back. */
export function failedCauses(seen: Snapshot): readonly Cause[] {
  return [
    expectUnmet(seen),
    tooManyFiles(seen),
    ...failing(seen),
    failedUnseen(seen),
    gatherBlocked(seen),
    canaries(seen),
  ].filter((cause) => cause !== null);
}

function expectUnmet({ view }: Snapshot): Cause | null {
  if (view.closed?.reason !== 'expect') return null;
  return {
    code: 'expectUnmet',
    severity: 'fails',
    title: `every task ended, but a control total does not hold: ${some(view.record.spec.expect)}`,
    evidence: [`closed at ${view.closed.when}`],
    mend: `batchctl verify ${view.record.job}, to see both sides of each equation`,
  };
}

function failing({ view, failures }: Snapshot): readonly Cause[] {
  if (view.cancelled) return []; // nothing can fix them any more
  const { job } = view.record;
  return failures.slice(0, FAILURES_TOLD).map((failure): Cause => {
    const retry = `batchctl retry ${job}${failure.id === null ? '' : ` --cause ${failure.id}`}`;
    const skip = `batchctl skip ${job} ${failure.id === null ? '--task T' : `--cause ${failure.id}`} --reason TEXT`;
    const evidence = [
      `for one, ${failure.example}: batchctl logs ${job} ${failure.example}`,
      ...(failure.id === null ? [] : [`cause ${failure.id}`]),
    ];
    return {
      code: 'failing',
      severity: 'fails',
      title: `${many(failure.count, 'task')} of ${failure.step} failed for good: ${saidOf(failure)}`,
      evidence,
      mend: `${retry}, once it is fixed (with a corrected program: --with JOBFILE); ${skip}, to continue without it`,
    };
  });
}

/** A failed job whose failures can no longer be seen. */
function failedUnseen({ view, failures, steps, troubles }: Snapshot): Cause | null {
  const { closed, pruned, record } = view;
  if (closed?.state !== 'failed' || closed.reason === 'expect' || closed.reason === TOO_MANY || failures.length > 0)
    return null;
  if (view.stopped !== null || steps === null || troubles.length > 0) return null;
  return {
    code: 'failing',
    severity: 'fails',
    title: `it failed (${closed.reason ?? 'no known reason'})${pruned === null ? '' : '; its failures were pruned'}`,
    evidence: [`closed at ${closed.when}`],
    mend: `batchctl history ${record.job}; batchctl retry ${record.job}`,
  };
}

function saidOf({ reason, exitCode, error }: FailureSeen): string {
  const how = reason === 'exit' && exitCode !== null ? `exit ${exitCode}` : reason;
  return error === null ? how : `${how}, "${error}"`;
}

/** A section in which more chains failed than are tolerated: the next one can't begin. */
function gatherBlocked({ view, steps }: Snapshot): Cause | null {
  if (steps === null || view.cancelled) return null;
  const specs = view.record.spec.steps;
  for (const [index, step] of steps.entries()) {
    if (!hasBarrier(specs, index) || step.opened || index === 0) continue;
    const start = sectionStart(specs, index - 1);
    const failed = steps.slice(start, index).reduce((sum, { failed: here }) => sum + here, 0);
    const tolerated = specs[start]?.gather ? 0 : toleratedOf(view.tolerance, steps[start]?.total ?? 0);
    if (failed <= tolerated) continue;
    const { job } = view.record;
    return {
      code: 'gatherBlocked',
      severity: 'fails',
      title: `${step.name} can't start: ${many(failed, 'chain')} before it failed for good, ${tolerated} ${are(tolerated)} tolerated`,
      evidence: steps
        .slice(start, index)
        .filter(({ failed: here }) => here > 0)
        .map(({ name, failed: here, total }) => `${name}: ${here} of ${many(total, 'task')} failed`),
      mend: `batchctl retry ${job}, once the failures are fixed; batchctl skip ${job} --cause C --reason TEXT, to continue without them`,
    };
  }
  return null;
}

function canaries({ view, canaries: seen }: Snapshot): Cause | null {
  if (seen === null || view.cancelled) return null;
  const { job } = view.record;
  if (seen.failed.length > 0) {
    return {
      code: 'canaryHeld',
      severity: 'stops',
      title: `round ${seen.round} is held back: of its ${many(seen.all, 'canary').replace('canarys', 'canaries')}, ${some(seen.failed)} failed for good again`,
      evidence: [`${seen.published} of ${seen.all} succeeded`, `batchctl logs ${job} ${seen.failed[0] ?? ''}`],
      mend: `batchctl retry ${job} --canary ${seen.all}, once it is fixed; batchctl retry ${job}, for all at once`,
    };
  }
  return {
    code: 'canaryRunning',
    severity: 'waits',
    title: `round ${seen.round} waits for its canaries: ${seen.published} of ${seen.all} have succeeded so far`,
    evidence: ['the rest is sent once all of them have'],
    mend: `wait; batchctl retry ${job}, for all at once`,
  };
}
