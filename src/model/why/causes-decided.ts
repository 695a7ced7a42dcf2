import { budgetMend, whoseLimit } from '../cost/limit-text.ts';
import { deliveryOf, isDeliveryDue, nextTry } from '../delivery.ts';
import { BUDGET, DENIED, DEPLOYMENT, SECRET } from '../journal.ts';
import { stateOf } from '../view.ts';
import { type Cause, iso, many, span } from './cause.ts';
import { isDue, type Snapshot, since } from './snapshot.ts';

/** Tasks per second. A submission slower than this is no longer waited for. */
const SENT_A_SECOND = 5_000;

/** Decisions of a person, a guard or a submission. */
export function decidedCauses(seen: Snapshot): readonly Cause[] {
  return [cancelled(seen), paused(seen), stopped(seen), notDue(seen), unfinished(seen)].filter(
    (cause) => cause !== null,
  );
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
    mend: `a cancelled job can't be resumed: submit it again; batchctl fetch ${view.record.job} -o DIR/ gets the outputs that it has`,
  };
}

function paused(seen: Snapshot): Cause | null {
  const { paused: pause, record } = seen.view;
  if (pause === null || seen.view.cancelled || seen.view.closed !== null) return null;
  const ago = span(since(seen, Date.parse(pause.when)));
  const mend = `batchctl resume ${record.job}`;
  if (pause.reason === 'halt') {
    const { halt } = record.spec;
    const share = typeof halt === 'number' ? `, ${Math.round(halt * 1_000) / 10} % or more` : '';
    return {
      code: 'halted',
      severity: 'stops',
      title: `the guard "halt" paused it ${ago} ago: too many of its tasks failed${share}`,
      evidence: [`at ${pause.when}, by ${pause.who}`],
      mend: `batchctl failures ${record.job}, to see what failed; ${mend}, once it is fixed (with a corrected program: --with JOBFILE)`,
    };
  }
  if (pause.reason === DEPLOYMENT) {
    return {
      code: 'badDeployment',
      severity: 'stops',
      title: `its program seems to be faulty: many of its tasks failed on several workers, so it was paused ${ago} ago`,
      evidence: [pause.detail ?? 'the journal does not say in which step', `at ${pause.when}, by ${pause.who}`],
      mend: `batchctl failures ${record.job}, to see what failed; batchctl resume ${record.job} --with JOBFILE, with a corrected program; ${mend}, if the program is right; batchctl retry ${record.job}, for tasks that had failed for good by then`,
    };
  }
  if (pause.reason === BUDGET) {
    const whose = whoseLimit(pause.detail);
    return {
      code: 'budget',
      severity: 'stops',
      title: `it has reached its cost limit, so it was paused ${ago} ago: ${whose} is reached`,
      evidence: [pause.detail ?? 'the journal does not say how much', `at ${pause.when}, by ${pause.who}`],
      mend: budgetMend(record.job, whose),
    };
  }
  if (pause.reason === SECRET) {
    return {
      code: 'secretRefused',
      severity: 'stops',
      title: `a secret can't be read, so its tasks have waited for ${ago}; no attempt was used up`,
      evidence: [pause.detail ?? 'the journal does not say which one', `at ${pause.when}, by ${pause.who}`],
      mend: `let the worker read it, or correct the reference in the job file; then ${mend} (with a corrected file: --with JOBFILE)`,
    };
  }
  if (pause.reason === DENIED) {
    return {
      code: 'accessDenied',
      severity: 'stops',
      title: `workers may not read an input or store an output, so its tasks have waited for ${ago}; no attempt was used up`,
      evidence: [pause.detail ?? 'the journal does not say which one', `at ${pause.when}, by ${pause.who}`],
      mend: `give the workers that permission; ${mend}`,
    };
  }
  const why = pause.reason === '' || pause.reason === 'person' ? '' : `: ${pause.reason}`;
  return {
    code: 'paused',
    severity: 'stops',
    title: `${pause.who} paused it ${ago} ago${why}`,
    evidence: [
      `at ${pause.when}; ${pause.now ? 'running tasks were returned' : 'running tasks were allowed to finish'}`,
    ],
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
    mend: `batchctl retry ${view.record.job}, once the failures are fixed`,
  };
}

function notDue(seen: Snapshot): Cause | null {
  const { notBefore, record } = seen.view;
  if (notBefore === null || isDue(seen) || stateOf(seen.view) === 'cancelled') return null;
  return {
    code: 'notDue',
    severity: 'waits',
    title: `it starts in ${span((Date.parse(notBefore) - seen.now) / 1_000)}, as it was submitted with --at`,
    evidence: [`not before ${notBefore}`],
    mend: `wait; or start it now with batchctl adjust ${record.job} --at now`,
  };
}

function unfinished(seen: Snapshot): Cause | null {
  const { view } = seen;
  if (view.sent || view.cancelled || view.closed !== null) return null;
  const { job, createdAt, createdBy, host, parts } = view.record;
  const age = since(seen, Date.parse(createdAt));
  // Splitting a large input takes time: a recent submission may still be doing it.
  const young = age < Math.max(30, parts / SENT_A_SECOND);
  return {
    code: 'submissionUnfinished',
    severity: young ? 'waits' : 'stops',
    title: `its submission, started ${span(age)} ago, ${young ? 'is not finished yet' : 'did not finish'}: some of its ${many(parts, 'task')} may not have been sent`,
    evidence: [`submitted at ${createdAt} by ${createdBy} on ${host}; the journal has no "sent"`],
    mend: `batchctl verify ${job} --repair, to send the rest now; batchctl watch ${job}, to send it after a while, as any worker does`,
  };
}

/** A job that succeeded, and whose outputs aren't delivered. */
export function deliveryCauses(seen: Snapshot): readonly Cause[] {
  const { view } = seen;
  const status = deliveryOf(view);
  if (status === null || !isDeliveryDue(view) || view.delivery === null || view.closed === null) return [];
  const { job } = view.record;
  const { to, host, failed } = status;
  const there = host === null ? '' : ` on ${host}`;
  const now = `batchctl watch ${job}${host === null ? '' : `, on ${host}`}`;
  if (failed === null) {
    const ago = span(since(seen, Date.parse(view.closed.when)));
    const title = `it succeeded ${ago} ago, but is not delivered to ${to}${there} yet`;
    const evidence = [host === null ? 'any worker, watcher or manager delivers it' : `only ${host} has that directory`];
    return [{ code: 'notDelivered', severity: 'waits', title, evidence, mend: `${now}, to deliver it now` }];
  }
  const next = nextTry(view.delivery);
  const later = next === null ? 'it is not retried automatically' : `retried after ${iso(next)}`;
  return [
    {
      code: 'notDelivered',
      severity: 'stops',
      title: `its outputs can't be delivered to ${to}${there}: ${failed.message}`,
      evidence: [`tried ${many(failed.tries, 'time')}, the last time at ${failed.when} by ${failed.who}; ${later}`],
      mend: `${failed.hint === null ? 'fix that' : failed.hint}; ${now}, then`,
    },
  ];
}

/**
 * Notifications about the job that could not be delivered: the job itself is fine, but people may have missed the news.
 */
export function toldCauses({ untold = [] }: Snapshot): readonly Cause[] {
  return untold.map(({ event, to, tries, message, next }) => ({
    ...{ code: 'notTold', severity: 'note' },
    title: `${to} could not be notified of ${event}: ${message ?? 'the process died during the attempt'}`,
    evidence: [
      `tried ${many(tries, 'time')}; ${next === null ? 'it is not retried' : `retried after ${next}, by a manager or tick`}`,
    ],
    mend: 'batchctl doctor --notify, once it is fixed',
  }));
}
