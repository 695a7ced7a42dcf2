import { TOO_MANY } from '../decide.ts';
import { hasBarrier, sectionStart, toleratedOf } from '../job.ts';
import { stateOf } from '../view.ts';
import type { Cause } from './cause.ts';
import { isDue, since } from './facts.ts';
import type { FailureSeen, Snapshot } from './snapshot.ts';
import { tooManyFiles } from './too-many-files.ts';
import { are, many, some, span } from './words.ts';

/** So many causes of failures are told here; `failures` has them all. */
const FAILURES_TOLD = 5;

/** What a person, a guard or a submission decided, and what failed for good. */
export function decidedCauses(seen: Snapshot): readonly Cause[] {
  return [
    cancelled(seen),
    paused(seen),
    stopped(seen),
    notDue(seen),
    unfinished(seen),
    expectUnmet(seen),
    tooManyFiles(seen),
    ...failing(seen),
    failedUnseen(seen),
    gatherBlocked(seen),
    canaries(seen),
  ].filter((cause) => cause !== null);
}

function cancelled({ view, cancelledBy, ...seen }: Snapshot): Cause | null {
  if (!view.cancelled) return null;
  const by = cancelledBy === null ? '' : ` by ${cancelledBy.who}`;
  const ago = cancelledBy === null ? '' : `, ${span((seen.now - Date.parse(cancelledBy.when)) / 1_000)} ago`;
  return {
    code: 'cancelled',
    severity: 'stops',
    title: `it was cancelled${by}${ago}`,
    evidence: cancelledBy === null ? [] : [`the journal says so at ${cancelledBy.when}`],
    mend: `nothing takes a cancel back; its outputs are kept: batchctl fetch ${view.record.job}, or submit it again`,
  };
}

function paused(seen: Snapshot): Cause | null {
  const { paused: pause, record } = seen.view;
  if (pause === null || seen.view.cancelled || seen.view.closed !== null) return null;
  const ago = span(since(seen, Date.parse(pause.when)));
  const mend = `batchctl resume ${record.job}`;
  if (pause.reason === 'halt') {
    const share = record.spec.halt === null ? '' : `, ${Math.round(record.spec.halt * 1_000) / 10} % or more`;
    return {
      code: 'halted',
      severity: 'stops',
      title: `the guard "halt" paused it ${ago} ago: too many of its tasks failed${share}`,
      evidence: [`at ${pause.when}, by ${pause.who}`],
      mend: `see what failed (batchctl failures ${record.job}), mend it, then ${mend}`,
    };
  }
  const why = pause.reason === '' || pause.reason === 'person' ? '' : `: ${pause.reason}`;
  return {
    code: 'paused',
    severity: 'stops',
    title: `${pause.who} paused it ${ago} ago${why}`,
    evidence: [`at ${pause.when}; ${pause.now ? 'what ran was given back' : 'what ran by then was let finish'}`],
    mend,
  };
}

function stopped({ view }: Snapshot): Cause | null {
  if (view.stopped === null) return null;
  return {
    code: 'stopped',
    severity: 'stops',
    title: `"onFailure: stop" gave up the rest of it: ${view.stopped}`,
    evidence: ['the job file has onFailure: stop'],
    mend: `mend what failed, then batchctl retry ${view.record.job}`,
  };
}

function notDue(seen: Snapshot): Cause | null {
  const { notBefore, job } = seen.view.record;
  if (notBefore === null || isDue(seen) || stateOf(seen.view) === 'cancelled') return null;
  return {
    code: 'notDue',
    severity: 'waits',
    title: `it begins in ${span((Date.parse(notBefore) - seen.now) / 1_000)}: it was submitted with --at`,
    evidence: [`not before ${notBefore}`],
    mend: `wait, or batchctl cancel ${job} and submit it without --at`,
  };
}

function unfinished(seen: Snapshot): Cause | null {
  const { view } = seen;
  if (view.sent || view.cancelled || view.closed !== null) return null;
  const { job, createdAt, createdBy, host } = view.record;
  return {
    code: 'submissionUnfinished',
    severity: 'stops',
    title: `its submission did not finish: not all of ${many(view.record.parts, 'task')} are known to be sent`,
    evidence: [`submitted at ${createdAt} by ${createdBy} on ${host}; the journal has no "sent"`],
    mend: `batchctl verify ${job} --repair sends the rest now; any worker or batchctl watch ${job} does after a while`,
  };
}

function expectUnmet({ view }: Snapshot): Cause | null {
  if (view.closed?.reason !== 'expect') return null;
  return {
    code: 'expectUnmet',
    severity: 'fails',
    title: `every task ended, and a control total does not add up: ${some(view.record.spec.expect)}`,
    evidence: [`closed at ${view.closed.when}`],
    mend: `batchctl verify ${view.record.job} shows both sides of each equation`,
  };
}

function failing({ view, failures }: Snapshot): readonly Cause[] {
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
      mend: `${retry}, once it is mended (--with JOBFILE brings a mended program); ${skip} goes without`,
    };
  });
}

/** A job that failed, of whose failures nothing can be seen any more. */
function failedUnseen({ view, failures, steps, troubles }: Snapshot): Cause | null {
  const { closed, pruned, record } = view;
  if (closed?.state !== 'failed' || closed.reason === 'expect' || closed.reason === TOO_MANY || failures.length > 0)
    return null;
  if (view.stopped !== null || steps === null || troubles.length > 0) return null;
  return {
    code: 'failing',
    severity: 'fails',
    title: `it failed (${closed.reason ?? 'no reason is known'})${pruned === null ? '' : '; what failed was pruned'}`,
    evidence: [`closed at ${closed.when}`],
    mend: `batchctl history ${record.job}; batchctl retry ${record.job}`,
  };
}

function saidOf({ reason, exitCode, error }: FailureSeen): string {
  const how = reason === 'exit' && exitCode !== null ? `exit ${exitCode}` : reason;
  return error === null ? how : `${how}, "${error}"`;
}

/** A section in which more chains failed than are tolerated: what comes after it can't begin. */
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
      title: `${step.name} can't begin: ${many(failed, 'chain')} before it failed for good, ${tolerated} ${are(tolerated)} tolerated`,
      evidence: steps
        .slice(start, index)
        .filter(({ failed: here }) => here > 0)
        .map(({ name, failed: here, total }) => `${name}: ${here} of ${many(total, 'task')} failed`),
      mend: `batchctl retry ${job}, once what failed is mended; or go without: batchctl skip ${job} --cause C --reason TEXT`,
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
      mend: `mend it, then batchctl retry ${job} --canary ${seen.all}; or batchctl retry ${job} for all at once`,
    };
  }
  return {
    code: 'canaryRunning',
    severity: 'waits',
    title: `round ${seen.round} waits for its canaries: ${seen.published} of ${seen.all} succeeded by now`,
    evidence: ['the rest is asked for once all of them have'],
    mend: `wait; or batchctl retry ${job} for all at once`,
  };
}
