import type { FailureSeen } from '../jobs/first-failure.ts';
import { clip, oneLine } from './terminal-text.ts';

/** Maximum width, in columns. */
const WIDEST = 240;

/** `price/7 failed for good: exit 65, claim 7: no rate for UK` */
export function failureLine({ step, task, exitCode, reason, error }: FailureSeen): string {
  const how = exitCode === null ? (reason ?? 'unknown') : `exit ${exitCode}`;
  const why = error === null || error === '' ? '' : `, ${oneLine(error)}`;
  return clip(`${step}/${task} failed for good: ${how}${why}`, WIDEST);
}
