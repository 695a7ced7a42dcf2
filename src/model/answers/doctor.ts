import * as v from 'valibot';
import { text, textOrNull, told, type Value } from './shapes.ts';

/** One check of `doctor`. */
export const CHECK_RESULT = v.object({
  check: told(text, 'stable identifier of the check'),
  status: v.picklist(['pass', 'warn', 'fail']),
  message: told(text, 'what was found'),
  mend: told(textOrNull, 'the command or step that fixes it; null for a pass'),
});

export type CheckResult = Value<typeof CHECK_RESULT>;
