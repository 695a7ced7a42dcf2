import { formatDuration, formatMany } from '../../lib/units.ts';
import { CAUSE_CODES, type Cause, type CauseCode, formatList, isOrAre, iso, SEVERITIES } from '../cause.ts';
import { budgetFix, limitNameOf } from '../cost/limit.ts';
import { LOST_OUTPUT_REASON, TOO_MANY_FILES_REASON } from '../decide.ts';
import { deliveryOf, isDeliveryDue, nextTry } from '../delivery.ts';
import { unmetText } from '../expect.ts';
import { hasBarrier, sectionStart, toleratedFrom } from '../job.ts';
import {
  BUDGET_REASON,
  CHANGED_REASON,
  DENIED_REASON,
  DEPLOYMENT_REASON,
  HALT_REASON,
  PERSON_REASON,
  SECRET_REASON,
  UNMET_REASON,
} from '../journal.ts';
import { lostOutputFix } from '../lost-outputs.ts';
import { changedExpect } from '../overrides.ts';
import { stateOf } from '../view.ts';
import { serviceCauses } from './causes-service.ts';
import { lossCauses, paceCauses, taskCauses } from './causes-tasks.ts';
import { gridCauses, stayCauses, workerCauses } from './causes-workers.ts';
import { type FailureSnapshot, isDue, type Snapshot, secondsSince, secondsUntil } from './snapshot.ts';

/** Why a job is slow, stuck or failing, the most serious cause first: a pure function of the snapshot. */
export function causesOf(seen: Snapshot): readonly Cause[] {
  const found = [
    ...serviceCauses(seen),
    ...decidedCauses(seen),
    ...failedCauses(seen),
    ...deliveryCauses(seen),
    ...noticeCauses(seen),
    ...gridCauses(seen),
    ...workerCauses(seen),
    ...stayCauses(seen),
    ...lossCauses(seen),
    ...taskCauses(seen),
    ...paceCauses(seen),
  ];
  return rank(dropExplained(found));
}

/** By severity, then in the order of the codes; equal ones keep their order. */
export function rank(causes: readonly Cause[]): readonly Cause[] {
  const weight = ({ severity, code }: Cause): number =>
    SEVERITIES.indexOf(severity) * CAUSE_CODES.length + CAUSE_CODES.indexOf(code);
  return [...causes].sort((a, b) => weight(a) - weight(b));
}

/** Causes that keep a group's machines from having workers: then "no worker" isn't a cause of its own. */
const GRID_STOPS = [
  'groupMissing',
  'groupHeld',
  'launchFailed',
  'setupFailed',
  'instancesWithoutWorkers',
  'groupManualAtZero',
] as const;

/** Drops a cause that another one explains: tasks that wait for a fitting worker, say, are also "all delayed". */
function dropExplained(causes: readonly Cause[]): readonly Cause[] {
  const has = new Set(causes.map(({ code }) => code));
  const grid = GRID_STOPS.some((code) => has.has(code));
  return causes.filter(({ code, severity }) => {
    if (code === 'noWorker' || (code === 'workerStarting' && severity === 'waits')) return !grid;
    if (code === 'backoff') return !has.has('doesNotFit') && !has.has('newerFormat') && !has.has('noWorker');
    if (code === 'missingTasks') return !has.has('deadLetters') && !has.has('submissionUnfinished');
    if (code === 'workerLost') return !has.has('leasesExpiring');
    return code !== 'workerStarting' || severity === 'stops' || !has.has('newerFormat');
  });
}

/** Tasks per second. A submission slower than this is no longer waited for. */
const SENT_A_SECOND = 5_000;

function decidedCauses(seen: Snapshot): readonly Cause[] {
  return [cancelled(seen), paused(seen), stopped(seen), notDue(seen), unfinishedSubmission(seen)].filter(
    (cause) => cause !== null,
  );
}

function cancelled(seen: Snapshot): Cause | null {
  const { view, cancelledBy } = seen;
  if (!view.cancelled) return null;
  const by = cancelledBy === null ? '' : ` by ${cancelledBy.who}`;
  const ago = cancelledBy === null ? '' : `, ${formatDuration(secondsSince(seen, Date.parse(cancelledBy.when)))} ago`;
  return {
    code: 'cancelled',
    severity: 'stops',
    message: `it was cancelled${by}${ago}`,
    evidence: cancelledBy === null ? [] : [`the journal says so at ${cancelledBy.when}`],
    fix: `a cancelled job can't be resumed: submit it again${outputsToFetch(seen)}`,
  };
}

/** How to get the outputs of the last step that has any; '' if there are none, or none that can be listed. */
function outputsToFetch({ view: { record, pruned }, steps }: Snapshot): string {
  const index = pruned === null ? (steps ?? []).findLastIndex(({ published }) => published > 0) : -1;
  const step = record.spec.steps[index]?.name;
  if (step === undefined) return '';
  const named = index === record.spec.steps.length - 1 ? '' : ` --step ${step}`;
  return `; batchctl fetch ${record.job}${named} -o DIR/ gets the outputs that it has`;
}

function paused(seen: Snapshot): Cause | null {
  const { paused: pause, record, cancelled: isCancelled, closed } = seen.view;
  if (pause === null || isCancelled || closed !== null) return null;
  const ago = formatDuration(secondsSince(seen, Date.parse(pause.when)));
  const failures = `batchctl failures ${record.job}, to see what failed`;
  const fix = `batchctl resume ${record.job}`;
  /** `unknown`: what the journal doesn't say if the guard left no detail; absent: it never leaves one. */
  const byGuard = (code: CauseCode, message: string, fix: string, unknown?: string): Cause => ({
    code,
    severity: 'stops',
    message,
    fix,
    evidence: [
      ...(unknown === undefined ? [] : [pause.detail ?? `the journal does not say ${unknown}`]),
      `at ${pause.when}, by ${pause.who}`,
    ],
  });
  switch (pause.reason) {
    case HALT_REASON: {
      const { halt } = record.spec;
      const share = typeof halt === 'number' ? `, ${Math.round(halt * 1_000) / 10} % or more` : '';
      return byGuard(
        'halted',
        `the guard "halt" paused it ${ago} ago: too many of its tasks failed${share}`,
        `${failures}; ${fix}, once it is fixed (with a corrected program: --with JOBFILE)`,
      );
    }
    case DEPLOYMENT_REASON:
      return byGuard(
        'badDeployment',
        `its program seems to be faulty: many of its tasks failed and hardly any succeeded, so it was paused ${ago} ago`,
        `${failures}; ${fix} --with JOBFILE, with a corrected program; ${fix}, if the program is right; batchctl retry ${record.job}, for tasks that had failed for good by then`,
        'in which step',
      );
    case CHANGED_REASON:
      return byGuard(
        'inputChanged',
        `an input has changed since it was accepted: all of its first tasks failed for that, so it was paused ${ago} ago`,
        `${failures}, and how to restore the input; ${fix}, then; batchctl cancel ${record.job}, before you submit it again with the input as it is now`,
        'which one',
      );
    case BUDGET_REASON: {
      const limit = limitNameOf(pause.detail);
      const message = `it has reached its cost limit, so it was paused ${ago} ago: ${limit} is reached`;
      return byGuard('budget', message, budgetFix(record.job, limit), 'how much');
    }
    case SECRET_REASON:
      return byGuard(
        'secretRefused',
        `it was paused ${ago} ago: a secret can't be read; no attempt was used up`,
        `let the worker read it, or correct the reference in the job file; then ${fix} (with a corrected file: --with JOBFILE)`,
        'which one',
      );
    case DENIED_REASON:
      return byGuard(
        'accessDenied',
        `it was paused ${ago} ago: a service refuses workers an input or an output; no attempt was used up`,
        `remove that cause; then ${fix}`,
        'which one',
      );
    default: {
      const why = pause.reason === '' || pause.reason === PERSON_REASON ? '' : `: ${pause.reason}`;
      const tasks = `running tasks were ${pause.now ? 'returned' : 'allowed to finish'}`;
      const message = `${pause.who} paused it ${ago} ago${why}`;
      return { code: 'paused', severity: 'stops', message, evidence: [`at ${pause.when}; ${tasks}`], fix };
    }
  }
}

function stopped(seen: Snapshot): Cause | null {
  const { view } = seen;
  if (view.stopped === null) return null;
  return {
    code: 'stopped',
    severity: 'stops',
    message: `"onFailure: stop" gave up the rest of it: ${view.stopped}`,
    evidence: ['the job file has onFailure: stop'],
    fix: fixOr(seen, `batchctl retry ${view.record.job}, once the failures are fixed`),
  };
}

function notDue(seen: Snapshot): Cause | null {
  const { notBefore, record } = seen.view;
  if (notBefore === null || isDue(seen) || stateOf(seen.view) === 'cancelled') return null;
  return {
    code: 'notDue',
    severity: 'waits',
    message: `it starts in ${formatDuration(secondsUntil(seen, Date.parse(notBefore)))}, as it was submitted with --at`,
    evidence: [`not before ${notBefore}`],
    fix: `wait; or start it now with batchctl adjust ${record.job} --at now`,
  };
}

function unfinishedSubmission(seen: Snapshot): Cause | null {
  const { view } = seen;
  if (view.sent || view.cancelled || view.closed !== null) return null;
  const { job, createdAt, createdBy, host, parts } = view.record;
  const age = secondsSince(seen, Date.parse(createdAt));
  // Splitting a large input takes time: a recent submission may still be doing it.
  const young = age < Math.max(30, parts / SENT_A_SECOND);
  return {
    code: 'submissionUnfinished',
    severity: young ? 'waits' : 'stops',
    message: `its submission, started ${formatDuration(age)} ago, ${young ? 'is not finished yet' : 'did not finish'}: some of its ${formatMany(parts, 'task')} may not have been sent`,
    evidence: [`submitted at ${createdAt} by ${createdBy} on ${host}; the journal has no "sent"`],
    fix: `batchctl verify ${job} --repair, to send the rest now; batchctl watch ${job}, to send it after a while, as any worker does`,
  };
}

/** A job that succeeded, and whose outputs aren't delivered. */
function deliveryCauses(seen: Snapshot): readonly Cause[] {
  const { view } = seen;
  const status = deliveryOf(view);
  if (status === null || !isDeliveryDue(view) || view.delivery === null || view.closed === null) return [];
  const { job } = view.record;
  const { to, host, failed } = status;
  const there = host === null ? '' : ` on ${host}`;
  const now = `batchctl watch ${job}${host === null ? '' : `, on ${host}`}`;
  if (failed === null) {
    const ago = formatDuration(secondsSince(seen, Date.parse(view.closed.when)));
    const message = `it succeeded ${ago} ago, but is not delivered to ${to}${there} yet`;
    const evidence = [host === null ? 'any worker, watcher or manager delivers it' : `only ${host} has that directory`];
    return [{ code: 'notDelivered', severity: 'waits', message, evidence, fix: `${now}, to deliver it now` }];
  }
  const next = nextTry(view.delivery);
  const later = next === null ? 'it is not retried automatically' : `retried after ${iso(next)}`;
  return [
    {
      code: 'notDelivered',
      severity: 'stops',
      message: `its outputs can't be delivered to ${to}${there}: ${failed.message}`,
      evidence: [
        `tried ${formatMany(failed.tries, 'time')}, the last time at ${failed.when} by ${failed.who}; ${later}`,
      ],
      fix: `${failed.hint === null ? 'fix that' : failed.hint}; ${now}, then`,
    },
  ];
}

/** Notifications that could not be delivered: the job itself is fine, but people may have missed the news. */
function noticeCauses({ untold = [] }: Snapshot): readonly Cause[] {
  return untold.map(({ event, to, tries, message: said, next }) => ({
    code: 'notTold',
    severity: 'note',
    message: `${to} could not be notified of ${event}: ${said ?? 'the process died during the attempt'}`,
    evidence: [
      `tried ${formatMany(tries, 'time')}; ${next === null ? 'it is not retried' : `retried after ${next}, by a manager or tick`}`,
    ],
    fix: 'batchctl notify test, once it is fixed',
  }));
}

/** An `explode` made more files than the job may have tasks: the watcher to open the next step closed the job. */
function tooManyFiles({ view }: Snapshot): Cause | null {
  const { closed } = view;
  if (closed?.reason !== TOO_MANY_FILES_REASON) return null;
  const { steps, maxTasks } = view.record.spec;
  const exploding = steps.find(({ explode }, index) => explode && !view.exploded.has(index + 1));
  return {
    code: 'tooManyFiles',
    severity: 'fails',
    message: `${exploding?.name ?? 'a step'} made more files than the job may have tasks: maxTasks is ${formatMany(maxTasks, 'task')}`,
    evidence: [`closed at ${closed.when}`],
    fix: 'submit the job again with a larger maxTasks, or with fewer, larger files',
  };
}

/** An output was lost after the next step was opened with its files: a watcher closed the job. */
function outputLost({ view: { closed, record } }: Snapshot): Cause | null {
  if (closed?.reason !== LOST_OUTPUT_REASON) return null;
  return {
    code: 'outputLost',
    severity: 'fails',
    message: closed.detail ?? 'an output is lost that cannot be made again',
    evidence: [`closed at ${closed.when}`],
    fix: lostOutputFix(record.job),
  };
}

/** How many causes of failures are reported here; `failures` has them all. */
export const MAX_FAILURES = 5;

function failedCauses(seen: Snapshot): readonly Cause[] {
  return [
    expectUnmet(seen),
    tooManyFiles(seen),
    outputLost(seen),
    ...failing(seen),
    failedUnseen(seen),
    gatherBlocked(seen),
    canaries(seen),
  ].filter((cause) => cause !== null);
}

function expectUnmet({ view, unmet = [] }: Snapshot): Cause | null {
  if (view.closed?.reason !== UNMET_REASON) return null;
  const { job } = view.record;
  const totals =
    unmet.length === 0
      ? [`it should hold: ${formatList(changedExpect(view.record, view.overrides))}`]
      : unmet.map(unmetText);
  return {
    code: 'expectUnmet',
    severity: 'fails',
    message: `every task ended, but ${unmet.length > 1 ? 'control totals do not hold' : 'a control total does not hold'}: ${totals[0]}`,
    evidence: [...totals.slice(1), `closed at ${view.closed.when}`],
    fix: `batchctl fetch ${job} -o DIR/ --allow-unproven, to look at the outputs; batchctl adjust ${job} --accept TOTAL --reason TEXT, if the difference is known; batchctl retry ${job} --with JOBFILE, if the equation was wrong`,
  };
}

function failing({ view, failures }: Snapshot): readonly Cause[] {
  if (view.cancelled) return []; // a cancelled job can't be retried
  const { job } = view.record;
  return failures.slice(0, MAX_FAILURES).map((failure): Cause => {
    const retry = `batchctl retry ${job}${failure.id === null ? '' : ` --cause ${failure.id}`}`;
    const skip = `batchctl skip ${job} ${failure.id === null ? '--task T' : `--cause ${failure.id}`} --reason TEXT`;
    const evidence = [
      `for one, ${failure.example}${failure.params === null ? '' : ` (${failure.params})`}: batchctl logs ${job} ${failure.example}`,
      ...(failure.id === null ? [] : [`cause ${failure.id}`]),
    ];
    return {
      code: 'failing',
      severity: 'fails',
      message: `${formatMany(failure.count, 'task')} of ${failure.step} failed for good: ${failureText(failure)}`,
      evidence,
      fix:
        failure.fix ??
        `${retry}, once it is fixed (with a corrected program: --with JOBFILE); ${skip}, to continue without it`,
    };
  });
}

/** A failed job whose failures can no longer be seen. */
function failedUnseen({ view, failures, steps, troubles }: Snapshot): Cause | null {
  const { closed, pruned, record } = view;
  if (
    closed?.state !== 'failed' ||
    closed.reason === UNMET_REASON ||
    closed.reason === TOO_MANY_FILES_REASON ||
    closed.reason === LOST_OUTPUT_REASON ||
    failures.length > 0
  )
    return null;
  if (view.stopped !== null || steps === null || troubles.length > 0) return null;
  return {
    code: 'failing',
    severity: 'fails',
    message: `it failed (${closed.reason ?? 'no known reason'})${pruned === null ? '' : '; its failures were pruned'}`,
    evidence: [`closed at ${closed.when}`],
    fix: `batchctl history ${record.job}; batchctl retry ${record.job}`,
  };
}

/** The fix of the most frequent failures if a retry alone helps none of them, and otherwise `fix`. */
function fixOr({ failures }: Snapshot, fix: string): string {
  return failures.every((failure) => failure.fix !== null) ? (failures[0]?.fix ?? fix) : fix;
}

function failureText({ reason, exitCode, error }: FailureSnapshot): string {
  const how = reason === 'exit' && exitCode !== null ? `exit ${exitCode}` : reason;
  return error === null ? how : `${how}, "${error}"`;
}

/** A section in which more chains failed than are tolerated: the next one can't begin. */
function gatherBlocked(seen: Snapshot): Cause | null {
  const { view, steps } = seen;
  if (steps === null || view.cancelled) return null;
  const specs = view.record.spec.steps;
  for (const [index, step] of steps.entries()) {
    if (!hasBarrier(specs, index) || step.opened || index === 0) continue;
    const start = sectionStart(specs, index - 1);
    const failed = steps.slice(start, index).reduce((sum, { failed: here }) => sum + here, 0);
    const tolerated = toleratedFrom(view, start, steps[start]?.total ?? 0);
    if (failed <= tolerated) continue;
    const { job } = view.record;
    return {
      code: 'gatherBlocked',
      severity: 'fails',
      message: `${step.name} can't start: ${formatMany(failed, 'chain')} before it failed for good, ${tolerated} ${isOrAre(tolerated)} tolerated`,
      evidence: steps
        .slice(start, index)
        .filter(({ failed: here }) => here > 0)
        .map(({ name, failed: here, total }) => `${name}: ${here} of ${formatMany(total, 'task')} failed`),
      fix: fixOr(
        seen,
        `batchctl retry ${job}, once the failures are fixed; batchctl skip ${job} --cause C --reason TEXT, to continue without them`,
      ),
    };
  }
  return null;
}

function canaries(snapshot: Snapshot): Cause | null {
  const { view, canaries: seen } = snapshot;
  if (seen === null || view.cancelled) return null;
  const { job } = view.record;
  if (seen.failed.length > 0) {
    return {
      code: 'canaryHeld',
      severity: 'stops',
      message: `round ${seen.round} is held back: of its ${formatMany(seen.all, 'canary').replace('canarys', 'canaries')}, ${formatList(seen.failed)} failed for good again`,
      evidence: [`${seen.published} of ${seen.all} succeeded`, `batchctl logs ${job} ${seen.failed[0] ?? ''}`],
      fix: fixOr(
        snapshot,
        `batchctl retry ${job} --canary ${seen.all}, once it is fixed; batchctl retry ${job}, for all at once`,
      ),
    };
  }
  return {
    code: 'canaryRunning',
    severity: 'waits',
    message: `round ${seen.round} waits for its canaries: ${seen.published} of ${seen.all} have succeeded so far`,
    evidence: ['the rest is sent once all of them have'],
    fix: `wait; batchctl retry ${job}, for all at once`,
  };
}
