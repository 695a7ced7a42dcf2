import { CAUSE_CODES, type Cause, SEVERITIES } from './cause.ts';
import { decidedCauses, deliveryCauses, toldCauses } from './causes-decided.ts';
import { failedCauses } from './causes-failed.ts';
import { serviceCauses } from './causes-service.ts';
import { lossCauses, paceCauses, taskCauses } from './causes-tasks.ts';
import { gridCauses, workerCauses } from './causes-workers.ts';
import type { Snapshot } from './snapshot.ts';

/** Why a job is slow, stuck or failing, the most serious cause first: a pure function of the snapshot. */
export function causesOf(seen: Snapshot): readonly Cause[] {
  const found = [
    ...serviceCauses(seen),
    ...decidedCauses(seen),
    ...failedCauses(seen),
    ...deliveryCauses(seen),
    ...toldCauses(seen),
    ...gridCauses(seen),
    ...workerCauses(seen),
    ...lossCauses(seen),
    ...taskCauses(seen),
    ...paceCauses(seen),
  ];
  return rank(explained(found));
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

/**
 * Drops a cause that another one explains: for example, tasks that wait for a fitting worker are also "all delayed".
 */
function explained(causes: readonly Cause[]): readonly Cause[] {
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
