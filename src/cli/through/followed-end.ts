import type { BatchctlError } from '../../errors.ts';
import { refuseUnended } from '../../jobs/job-exit.ts';
import { parseDuration } from '../../lib/units.ts';
import type { AskedVerb } from '../../ports/manager.ts';
import type { Sending } from './send-verb.ts';

type Given = Readonly<Record<string, unknown>>;

/** How a verb that goes on is ended by Ctrl-C, and taken up again: as the command itself says it, with the time that is left. */
export function followedEnd(
  name: string,
  job: string,
  takeUp = `batchctl ${name} ${job}`,
): Required<Pick<Sending, 'onInterrupted' | 'after'>> {
  return {
    onInterrupted: () => jobEnd(job, takeUp),
    after: (asked, seconds) => ({ ...asked, input: { ...asked.input, ...timeoutLeft(asked, seconds) } }),
  };
}

function jobEnd(job: string, takeUp: string): BatchctlError {
  try {
    refuseUnended('interrupted', job, takeUp);
  } catch (error) {
    return error as BatchctlError;
  }
  throw new TypeError('an interrupted follow is an error');
}

/** The time that is left of a time-out, `seconds` later. */
export function timeoutLeft({ input }: Pick<AskedVerb, 'input'>, seconds: number): Given {
  if (typeof input.timeout !== 'string') return {};
  return { timeout: `${Math.max(1, Math.round(parseDuration(input.timeout) - seconds))}s` };
}
