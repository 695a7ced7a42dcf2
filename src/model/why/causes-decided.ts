import { budgetMend, whoseLimit } from '../cost/words.ts';
import { BUDGET, DENIED, DEPLOYMENT, SECRET } from '../journal.ts';
import { stateOf } from '../view.ts';
import { type Cause, many, span } from './cause.ts';
import { isDue, type Snapshot, since } from './snapshot.ts';

/** A submission that is slower than this is waited for no longer. */
const SENT_A_SECOND = 5_000;

/** What a person, a guard or a submission decided. */
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
    mend: `nothing takes a cancel back: submit it again; batchctl fetch ${view.record.job} -o DIR/, for the outputs that it has`,
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
      mend: `batchctl failures ${record.job}, to see what failed; ${mend}, once it is mended (--with JOBFILE: by a mended program)`,
    };
  }
  if (pause.reason === DEPLOYMENT) {
    return {
      code: 'badDeployment',
      severity: 'stops',
      title: `its program seems to be at fault: many of its tasks failed on several workers, so it was paused ${ago} ago`,
      evidence: [pause.detail ?? 'of which step, the journal does not say', `at ${pause.when}, by ${pause.who}`],
      mend: `batchctl failures ${record.job}, to see what failed; batchctl resume ${record.job} --with JOBFILE, by a mended program; ${mend}, if it is right as it is; batchctl retry ${record.job}, for what failed for good by then`,
    };
  }
  if (pause.reason === BUDGET) {
    const whose = whoseLimit(pause.detail);
    return {
      code: 'budget',
      severity: 'stops',
      title: `it has cost what it may, so it was paused ${ago} ago: ${whose} is reached`,
      evidence: [pause.detail ?? 'how much, the journal does not say', `at ${pause.when}, by ${pause.who}`],
      mend: budgetMend(record.job, whose),
    };
  }
  if (pause.reason === SECRET) {
    return {
      code: 'secretRefused',
      severity: 'stops',
      title: `a secret can't be read, so its tasks have waited for ${ago}: no attempt is spent`,
      evidence: [pause.detail ?? 'which one, the journal does not say', `at ${pause.when}, by ${pause.who}`],
      mend: `let the worker read it, or correct the reference in the job file; ${mend}, then (--with JOBFILE: by the corrected file)`,
    };
  }
  if (pause.reason === DENIED) {
    return {
      code: 'accessDenied',
      severity: 'stops',
      title: `workers may not read an input or store an output, so its tasks have waited for ${ago}: no attempt is spent`,
      evidence: [pause.detail ?? 'which one, the journal does not say', `at ${pause.when}, by ${pause.who}`],
      mend: `give the workers that right; ${mend}`,
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
    mend: `batchctl retry ${view.record.job}, once what failed is mended`,
  };
}

function notDue(seen: Snapshot): Cause | null {
  const { notBefore, record } = seen.view;
  if (notBefore === null || isDue(seen) || stateOf(seen.view) === 'cancelled') return null;
  return {
    code: 'notDue',
    severity: 'waits',
    title: `it begins in ${span((Date.parse(notBefore) - seen.now) / 1_000)}: it was submitted with --at`,
    evidence: [`not before ${notBefore}`],
    mend: `wait; batchctl adjust ${record.job} --at now begins it`,
  };
}

function unfinished(seen: Snapshot): Cause | null {
  const { view } = seen;
  if (view.sent || view.cancelled || view.closed !== null) return null;
  const { job, createdAt, createdBy, host, parts } = view.record;
  const age = since(seen, Date.parse(createdAt));
  // Cutting a large input takes its time: a submission that began lately may well be at it.
  const young = age < Math.max(30, parts / SENT_A_SECOND);
  return {
    code: 'submissionUnfinished',
    severity: young ? 'waits' : 'stops',
    title: `its submission, begun ${span(age)} ago, ${young ? 'is not finished yet' : 'did not finish'}: not all of ${many(parts, 'task')} are known to be sent`,
    evidence: [`submitted at ${createdAt} by ${createdBy} on ${host}; the journal has no "sent"`],
    mend: `batchctl verify ${job} --repair, to send the rest now; batchctl watch ${job}, to send it after a while, as any worker does`,
  };
}
