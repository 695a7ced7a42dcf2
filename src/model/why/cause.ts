/** Why a job is slow, stuck or failing: codes are stable, and only grow in number. */
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
  'budget',
  'secretRefused',
  'stopped',
  'submissionUnfinished',
  'notDue',
  'expectUnmet',
  'notDelivered',
  'notTold',
  'tooManyFiles',
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
  'credentialsEnding',
] as const;

export type CauseCode = (typeof CAUSE_CODES)[number];

/**
 * `stops`: nothing, or nothing of a step, goes on until somebody acts · `fails`: tasks were lost for good ·
 * `slows`: it goes on, slower than it could · `waits`: it goes on by itself at a known moment · `note`: worth knowing.
 */
export const SEVERITIES = ['stops', 'fails', 'slows', 'waits', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Cause {
  readonly code: CauseCode;
  readonly severity: Severity;
  /** One sentence with the facts: which, how long, on whom, by whom. */
  readonly title: string;
  /** What it was seen by, a few lines. Instants are ISO-8601 UTC. */
  readonly evidence: readonly string[];
  /** What mends it: acts apart by `; `, each a command, then `, ` and when or what for; or a sentence. */
  readonly mend: string;
}
