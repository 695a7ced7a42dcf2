import { formatCount } from '../lib/units.ts';
import type { Finding } from './finding.ts';

/** Why a job is slow, stuck or failing. Codes are stable; new ones may be added. */
export const CAUSE_CODES = [
  'storeUnreachable',
  'queueUnreachable',
  'ledgerUnreachable',
  'groupUnreachable',
  'accessDenied',
  'credentialsRefused',
  'queueGone',
  'damaged',
  'newerFormat',
  'olderWorkers',
  'diskFull',
  'diskNearlyFull',
  'cancelled',
  'paused',
  'halted',
  'badDeployment',
  'inputChanged',
  'budget',
  'secretRefused',
  'stopped',
  'submissionUnfinished',
  'notDue',
  'expectUnmet',
  'notDelivered',
  'notTold',
  'tooManyFiles',
  'outputLost',
  'failing',
  'gatherBlocked',
  'canaryHeld',
  'canaryRunning',
  'missingTasks',
  'deadLetters',
  'groupMissing',
  'groupHeld',
  'launchFailed',
  'setupFailed',
  'instancesWithoutWorkers',
  'groupManualAtZero',
  'noWorker',
  'supervisorDead',
  'workerStarting',
  'workersLeaving',
  'workersBusyElsewhere',
  'doesNotFit',
  'killsWorkers',
  'leasesExpiring',
  'workerLost',
  'interruptionStorm',
  'groupAtMax',
  'maxRunning',
  'backoff',
  'straggler',
  'slowTasks',
  'slowStep',
  'ledgerBehind',
  'allProtected',
  'workersStay',
  'credentialsEnding',
] as const;

export type CauseCode = (typeof CAUSE_CODES)[number];

/**
 * `stops`: nothing, or nothing of a step, continues until a person acts · `fails`: tasks were lost for good · `slows`:
 * it continues, slower than it could · `waits`: it continues by itself at a known time · `note`: worth knowing.
 */
export const SEVERITIES = ['stops', 'fails', 'slows', 'waits', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Cause extends Finding<Severity> {
  readonly code: CauseCode;
  /** The evidence, a few lines. Instants are ISO-8601 UTC. */
  readonly evidence: readonly string[];
  readonly fix: string;
}

export const isOrAre = (count: number): string => (count === 1 ? 'is' : 'are');

/** The first few of a list, and the number of the others. */
export function formatList(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${formatCount(more)} more` : names.join(', ');
}

export const iso = (instant: number): string => new Date(instant).toISOString();

/** ` --group gpu`; empty for the default group. */
export const groupFlag = (group: string): string => (group === 'default' ? '' : ` --group ${group}`);
