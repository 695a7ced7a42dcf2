import { isOurs } from '../../errors.ts';
import type { CheckResult } from '../../model/answers/doctor.ts';
import { type Check, type Finding, fail } from '../../ports/check.ts';

/**
 * Time limit of a check, milliseconds. The check of a service makes several requests, each with a handshake, which may
 * take seconds on a busy machine or a slow link.
 */
const LIMIT_MS = 15_000;

/** Runs checks in parallel and returns their results in order. A check that hangs or throws can't stop the others. */
export function runChecks(checks: readonly Check[], limitMs = LIMIT_MS): Promise<readonly CheckResult[]> {
  return Promise.all(
    checks.map(async (check): Promise<CheckResult> => ({ check: check.check, ...(await runOne(check, limitMs)) })),
  );
}

async function runOne(check: Check, limitMs: number): Promise<Finding> {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      stop.abort();
      resolve(fail(`no answer within ${limitMs / 1_000} s`, 'a disk or service hangs; check it and try again'));
    }, limitMs);
  });
  try {
    return await Promise.race([Promise.resolve().then(() => check.run(stop.signal)), late]);
  } catch (error) {
    return ofError(error);
  } finally {
    clearTimeout(timer);
  }
}

/** The finding for an unexpected error. */
function ofError(error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  return fail(message, (isOurs(error) ? error.hint : undefined) ?? 'run it again with --verbose for details');
}
