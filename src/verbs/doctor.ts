import * as v from 'valibot';
import type { CheckResult } from '../model/answers/upkeep.ts';
import { field, flag, listVerb } from './verb.ts';

/** Checks what jobs depend on, on the machine where the verb runs. The exit code is 3 if a check failed. */
export const doctor = listVerb({
  name: 'doctor',
  scope: 'read',
  changes: false,
  http: { method: 'GET', path: '/checks' },
  input: v.strictObject({ strict: v.optional(field('--strict', 'exit with 11 if a check warns', flag), false) }),
  answer: async () => (await import('../model/answers/upkeep.ts')).CHECK_RESULT,
  exit: (checks: readonly CheckResult[], { strict }) => {
    if (checks.some(({ status }) => status === 'fail')) return 3;
    return strict === true && checks.some(({ status }) => status === 'warn') ? 11 : 0;
  },
  async *run(context): AsyncIterable<CheckResult> {
    yield* await context.examine();
  },
});
