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
 * `stops`: nothing, or nothing of a step, continues until a person acts · `fails`: tasks were lost for good · `slows`:
 * it continues, slower than it could · `waits`: it continues by itself at a known time · `note`: worth knowing.
 */
export const SEVERITIES = ['stops', 'fails', 'slows', 'waits', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Cause {
  readonly code: CauseCode;
  readonly severity: Severity;
  /** One sentence with the facts: what, how long, where, by whom. */
  readonly title: string;
  /** The evidence, a few lines. Instants are ISO-8601 UTC. */
  readonly evidence: readonly string[];
  /** How to fix it: alternatives separated by `; `, each a command, then `, ` and when or what for; or a sentence. */
  readonly mend: string;
}

/** Formats of amounts in causes; `model` has no other texts of its own. */

/** `1 task`, `1,234 tasks`. */
export function formatMany(count: number, noun: string): string {
  return `${String(count).replace(/\B(?=(\d{3})+$)/g, ',')} ${noun}${count === 1 ? '' : 's'}`;
}

export const isOrAre = (count: number): string => (count === 1 ? 'is' : 'are');

/** `340ms`, `12s`, `4m`, `3h20m`, `2d5h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.max(0, Math.round(seconds * 1_000))}ms`;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const minutes = Math.round(whole / 60);
  if (whole < 600) return two(Math.floor(whole / 60), 'm', whole % 60, 's');
  if (minutes < 60) return `${minutes}m`;
  if (minutes < 2_880) return two(Math.floor(minutes / 60), 'h', minutes % 60, 'm');
  const hours = Math.round(minutes / 60);
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large}${unit}` : `${large}${unit}${small}${smaller}`;
}

/** `4.2GB`: powers of 1,000. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  while (value >= 999.95 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${Number(value.toFixed(1))}${units[unit]}`;
}

/** The first few of a list, and the number of the others. */
export function formatList(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return more > 0
    ? `${names.slice(0, most).join(', ')} and ${formatMany(more, 'more').replace(/s$/, '')}`
    : names.join(', ');
}

export const iso = (instant: number): string => new Date(instant).toISOString();

/** ` --group gpu`; empty for the default group. */
export const groupFlag = (group: string): string => (group === 'default' ? '' : ` --group ${group}`);
